import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type MockLlm, type MockLlmOptions, startMockLlm } from './mock-llm.ts';

type Json = Record<string, unknown>;

let llm: MockLlm | undefined;
afterEach(async () => {
  await llm?.close();
  llm = undefined;
});

async function post(path: string, body: unknown, options: MockLlmOptions = {}): Promise<Response> {
  llm ??= await startMockLlm(options);
  return fetch(llm.url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
}

/** The data of each event of a stream. */
async function eventsOf(response: Response): Promise<Json[]> {
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
  return blocks.flatMap((block) => {
    const event = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1] ?? '';
    if (data === '[DONE]') return [];
    const json = JSON.parse(data) as Json;
    if (event !== undefined) expect(json.type).toBe(event);
    return [json];
  });
}

const schema = { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] };

describe('Responses', () => {
  const ask = (text: string, more: Json = {}) =>
    post('/v1/responses', {
      model: 'm',
      stream: true,
      input: [
        { role: 'user', content: [{ type: 'input_text', text: '<environment_context>\nx\n</environment_context>' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
      ],
      tools: [{ type: 'function', name: 'shell', parameters: schema }],
      ...more,
    });

  it('streams text between its created and its completed, numbered', async () => {
    const events = await eventsOf(await ask('THINK deep\nhello you'));
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
    expect(events.at(0)).toMatchObject({ type: 'response.created', response: { status: 'in_progress', usage: null } });
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta);
    expect(deltas).toEqual(['THINK', ' deep', '\nhello', ' you']);
    expect(events.find(({ type }) => type === 'response.reasoning_summary_text.delta')).toMatchObject({
      delta: 'deep',
    });
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { status: 'completed', output: [{ type: 'reasoning' }, { type: 'message' }] },
    });
  });

  it('calls a function and a tool of plain text, and repeats what they gave', async () => {
    const events = await eventsOf(await ask('RUNTOOL pwd'));
    expect(events.find(({ type }) => type === 'response.output_item.done')).toMatchObject({
      item: { type: 'function_call', name: 'shell', arguments: '{"command":"pwd"}', call_id: 'call_000001' },
    });
    const custom = await eventsOf(await ask('RUNTOOL pwd', { tools: [{ type: 'custom', name: 'shell' }] }));
    expect(custom.find(({ type }) => type === 'response.output_item.done')).toMatchObject({
      item: { type: 'custom_tool_call', input: 'pwd' },
    });
    const output = { type: 'function_call_output', call_id: 'call_000001', output: '/home\n' };
    const after = await ask('', { stream: false, input: [{ role: 'user', content: 'RUNTOOL pwd' }, output] });
    expect(await after.json()).toMatchObject({ output: [{ content: [{ text: 'The tool said: /home' }] }] });
  });
});

describe('chat completions', () => {
  const ask = (content: unknown, stream: boolean, more: readonly Json[] = []) =>
    post('/v1/chat/completions', {
      model: 'm',
      stream,
      messages: [{ role: 'system', content: 's' }, { role: 'user', content }, ...more],
      tools: [{ type: 'function', function: { name: 'bash', parameters: schema } }],
    });

  it('streams text and its usage, and ends with [DONE]', async () => {
    const response = await ask('hello you', true);
    const text = await response.clone().text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const choices = (await eventsOf(response)).flatMap(({ choices }) => choices as { delta: Json }[]);
    expect(choices.map(({ delta }) => delta.content).join('')).toBe('hello you');
    expect(choices.at(-1)).toMatchObject({ finish_reason: 'stop' });
  });

  it('answers as a whole, with a call and with what it gave', async () => {
    expect(await (await ask([{ type: 'text', text: 'RUNTOOL id' }], false)).json()).toMatchObject({
      choices: [
        {
          finish_reason: 'tool_calls',
          message: { tool_calls: [{ function: { name: 'bash', arguments: '{"command":"id"}' } }] },
        },
      ],
    });
    const chunks = await eventsOf(await ask('RUNTOOL id', true));
    expect(chunks[1]).toMatchObject({ choices: [{ delta: { tool_calls: [{ index: 0 }] } }] });
    const result = { role: 'tool', tool_call_id: 'call_000001', content: 'root' };
    const after = await ask('RUNTOOL id', false, [{ role: 'assistant', content: null }, result]);
    expect(await after.json()).toMatchObject({ choices: [{ message: { content: 'The tool said: root' } }] });
  });
});

describe('Messages', () => {
  const ask = (content: unknown, more: Json = {}) =>
    post('/v1/messages', {
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content }],
      tools: [{ name: 'Bash', input_schema: schema }],
      ...more,
    });

  it('streams blocks between its start and its stop, the reminder of the agent left out', async () => {
    const reminder = { type: 'text', text: '<system-reminder>\nbe good\n</system-reminder>' };
    const events = await eventsOf(await ask([{ type: 'text', text: 'THINK so\nhi' }, reminder]));
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      ...Array(3).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const text = events.map(({ delta }) => (delta as Json | undefined)?.text ?? '').join('');
    expect(text).toBe('THINK so\nhi');
  });

  it('uses a tool, and hears what was said beside the result', async () => {
    const events = await eventsOf(await ask('RUNTOOL ls'));
    expect(events[2]).toMatchObject({ delta: { type: 'input_json_delta', partial_json: '{"command":"ls"}' } });
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
    const result = { type: 'tool_result', tool_use_id: 'toolu_000001', content: [{ type: 'text', text: 'a b' }] };
    const whole = async (content: unknown) =>
      ((await (await ask(content, { stream: false })).json()) as { content: { text: string }[] }).content[0]?.text;
    expect(await whole([result])).toBe('The tool said: a b');
    expect(await whole([result, { type: 'text', text: 'stop that' }])).toBe('stop that');
  });

  it('fails as it was told, in the words of the protocol', async () => {
    const response = await ask('FAIL 429');
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  });
});

describe('Gemini', () => {
  const ask = (how: string, parts: readonly unknown[]) =>
    post(`/v1beta/models/gemini-x:${how}`, {
      contents: [{ role: 'user', parts }],
      tools: [{ functionDeclarations: [{ name: 'run_shell_command', parametersJsonSchema: schema }] }],
    });
  const textOf = (chunks: readonly Json[]): string =>
    chunks
      .flatMap(({ candidates }) => candidates as { content: { parts: { text?: string }[] } }[])
      .flatMap(({ content }) => content.parts.map(({ text }) => text ?? ''))
      .join('');

  it('streams as events, as one list, or not at all', async () => {
    const parts = [{ text: 'hello you' }];
    const events = await eventsOf(await ask('streamGenerateContent?alt=sse', parts));
    expect(textOf(events)).toBe('hello you');
    expect(events.at(-1)).toMatchObject({ candidates: [{ finishReason: 'STOP' }], modelVersion: 'gemini-x' });
    expect(textOf((await (await ask('streamGenerateContent', parts)).json()) as Json[])).toBe('hello you');
    expect(textOf([(await (await ask('generateContent', parts)).json()) as Json])).toBe('hello you');
  });

  it('calls a function and repeats what it gave', async () => {
    expect(await (await ask('generateContent', [{ text: 'RUNTOOL ls' }])).json()).toMatchObject({
      candidates: [{ content: { parts: [{ functionCall: { name: 'run_shell_command', args: { command: 'ls' } } }] } }],
    });
    const result = { functionResponse: { name: 'run_shell_command', response: { output: 'a' } } };
    expect(textOf([(await (await ask('generateContent', [result])).json()) as Json])).toBe('The tool said: a');
  });
});

describe('the server', () => {
  it('keeps what it was asked, and lets a test answer', async () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'x' }] };
    const response = await post('/chat/completions', body, {
      answer: ({ input: text }) => ({ kind: 'text', deltas: [`${text.length}`] }),
    });
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: '1' } }] });
    expect(llm?.requests).toMatchObject([{ protocol: 'chat', path: '/chat/completions', body }]);
  });

  it('stops talking when the client has gone', async () => {
    llm = await startMockLlm({ delayMs: 10 });
    const body = JSON.stringify({ model: 'm', stream: true, input: 'SLOW 10000' });
    const stopped = new AbortController();
    const response = await fetch(`${llm.url}/responses`, { method: 'POST', body, signal: stopped.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    stopped.abort();
    await expect(reader?.read()).rejects.toThrow();
    // It would wait for the rest otherwise.
    await llm.close();
  });

  it.each([
    ['no JSON', 400, '/v1/responses', '{'],
    ['a path of nobody', 404, '/v1/embeddings', '{}'],
    ['more than 32 MiB', 413, '/v1/responses', `"${'x'.repeat(32 * 1024 * 1024)}"`],
  ])('refuses %s with %i', async (_, status, path, body) => {
    expect((await post(path, body)).status).toBe(status);
  });

  it('tells its models and counts tokens', async () => {
    expect(await (await post('/v1/messages/count_tokens', 'x'.repeat(40))).json()).toMatchObject({ input_tokens: 10 });
    expect(await (await fetch(`${llm?.url}/v1/models`)).json()).toMatchObject({ data: [{ id: 'mock' }] });
  });

  it('frees its port when it is closed in mid-answer', async () => {
    llm = await startMockLlm({ delayMs: 10_000 });
    const port = Number(new URL(llm.url).port);
    const response = await post('/responses', { stream: true, input: 'SLOW 9' });
    await llm.close();
    await expect(response.text()).rejects.toThrow();
    const socket = connect(port, '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });
});

describe('the binary', () => {
  const BINARY = resolve(import.meta.dirname, '../bin/binnacle-mock-llm.js');

  it('says where it is, answers, and ends when it is told to', async () => {
    const child = spawn(process.execPath, [BINARY], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url } = JSON.parse(String(line)) as { url: string };
    const response = await fetch(`${url}/v1/responses`, { method: 'POST', body: '{"input":"hello"}' });
    expect(await response.json()).toMatchObject({ output: [{ content: [{ text: 'hello' }] }] });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('names the flag that it cannot read', async () => {
    const child = spawn(process.execPath, [BINARY, '--port', 'x'], { stdio: ['ignore', 'inherit', 'pipe'] });
    const [stderr] = (await once(child.stderr, 'data')) as [Buffer];
    expect(String(stderr)).toContain('--port takes a whole number');
    expect((await once(child, 'exit'))[0]).toBe(1);
  });
});
