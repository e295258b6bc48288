import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinnacleError, type ToolCall } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { RecordingOut } from '../acp/acp.fixture.ts';
import type { AgentSettings, LocalTurn, TurnEnd, TurnTools } from '../driver.ts';
import { makeOpenAiDriver, type OpenAiLimits } from './openai.ts';
import { SseReader } from './sse.ts';

interface ReceivedRequest {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
}
let server: Server | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)));
  server = undefined;
});

/** A model server with the answers of the test. */
async function serve(
  answer: (response: ServerResponse) => void,
): Promise<{ url: string; requests: ReceivedRequest[] }> {
  const requests: ReceivedRequest[] = [];
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests.push({
        url: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(Buffer.concat(parts).toString()),
      });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8' };
const event = (data: unknown): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const word = (content: string): string => event({ choices: [{ delta: { content } }] });
const STOP = event({ choices: [{ delta: {}, finish_reason: 'stop' }] });

async function run(
  agent: Partial<AgentSettings>,
  options: { turn?: Partial<LocalTurn>; limits?: Partial<OpenAiLimits>; signal?: AbortSignal; out?: RecordingOut } = {},
): Promise<{ answer: string; thought: string; end: TurnEnd; out: RecordingOut }> {
  const out = options.out ?? new RecordingOut();
  const turn: LocalTurn = {
    ...{
      id: 'm1',
      text: 'hello',
      history: [],
      by: { user: 'u', name: 'u' },
      answerOf: () => new Promise(() => undefined),
      tools: { list: () => [], call: () => Promise.reject(new Error('none')) },
    },
    ...options.turn,
  };
  const signal = options.signal ?? new AbortController().signal;
  await makeOpenAiDriver(options.limits).run({ id: 'o', driver: 'openai', ...agent }, turn, out, signal);
  const textOf = (stream: string): string => out.deeds.map(([what, text]) => (what === stream ? text : '')).join('');
  const ends = out.deeds.filter(([what]) => what === 'ended');
  expect(ends).toHaveLength(1);
  // What was recorded as such.
  return { answer: textOf('said'), thought: textOf('thought'), end: ends[0]?.[1] as TurnEnd, out };
}

describe('a turn', () => {
  test('is one request with the whole history, and its text comes as it is sent', async () => {
    vi.stubEnv('THE_KEY', 'secret');
    const { url, requests } = await serve((response) => {
      response.writeHead(200, STREAM);
      response.write(': a comment\n\n');
      response.write(event({ choices: [{ delta: { role: 'assistant', reasoning_content: 'hm' } }] }));
      response.write(word('Hel'));
      response.write(word('lo 👋'));
      response.write(STOP);
      response.write(event({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } }));
      response.end(event('[DONE]'));
    });
    const { answer, thought, end, out } = await run(
      { url, model: 'm', apiKeyEnv: 'THE_KEY', instructions: 'Be brief.' },
      {
        turn: {
          history: [
            { role: 'user', text: 'a' },
            { role: 'assistant', text: 'b' },
          ],
        },
      },
    );
    expect({ answer, thought, end }).toEqual({
      answer: 'Hello 👋',
      thought: 'hm',
      end: { kind: 'done', stopReason: 'stop' },
    });
    expect(out.deeds).toContainEqual(['usage', { inputTokens: 5, outputTokens: 2 }]);
    expect(requests[0]).toMatchObject({
      url: '/v1/chat/completions',
      headers: { authorization: 'Bearer secret' },
      body: {
        ...{ model: 'm', stream: true },
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
          { role: 'user', content: 'hello' },
        ],
      },
    });
  });

  test('without a key sends none', async () => {
    const { url, requests } = await serve((response) => response.writeHead(200, STREAM).end(word('hi') + STOP));
    // Some servers say why they stop and leave [DONE] out.
    expect((await run({ url: `${url}/` })).end).toEqual({ kind: 'done', stopReason: 'stop' });
    expect(requests[0]?.headers.authorization).toBeUndefined();
    expect(requests[0]?.url).toBe('/v1/chat/completions');
  });

  test('that is aborted ends at once, and the request with it', async () => {
    let hasClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      hasClosed = resolve;
    });
    const { url } = await serve((response) => {
      response.on('close', hasClosed);
      response.writeHead(200, STREAM).write(word('begun'));
    });
    const abort = new AbortController();
    const out = new RecordingOut(([what]) => {
      if (what === 'said') abort.abort();
    });
    const { answer, end } = await run({ url }, { signal: abort.signal, out });
    expect({ answer, end }).toEqual({ answer: 'begun', end: { kind: 'cancelled' } });
    await closed;
  });

  test('that is aborted before an answer ends at once', async () => {
    const abort = new AbortController();
    const { url } = await serve(() => abort.abort());
    expect((await run({ url }, { signal: abort.signal })).end).toEqual({ kind: 'cancelled' });
  });
});

describe('a turn with tools', () => {
  const calls = (...parts: { index?: number; id?: string; name?: string; arguments?: string }[]): string =>
    event({
      choices: [
        {
          delta: {
            tool_calls: parts.map(({ index, id, name, arguments: text }) => ({
              index,
              id,
              function: { name, arguments: text },
            })),
          },
        },
      ],
    });
  const TURN = event({ choices: [{ delta: {}, finish_reason: 'tool_calls' }] }) + event('[DONE]');
  const usage = (prompt_tokens: number, completion_tokens: number): string =>
    event({ choices: [], usage: { prompt_tokens, completion_tokens } });
  const upper: TurnTools = {
    list: () => [{ name: 'p_upper', title: 'Upper', description: 'Shouts.', input: { type: 'object' } }],
    call: async (_name, input) => {
      const { word } = input as { word?: string };
      if (word === undefined) throw new BinnacleError('bad_request', { message: '"word": missing.' });
      return word.toUpperCase();
    },
  };
  /** One answer after the other. */
  const serveEach = (...answers: string[]) => {
    let n = 0;
    return serve((response) => {
      response.writeHead(200, STREAM).end(answers[Math.min(n, answers.length - 1)]);
      n += 1;
    });
  };

  test('offers them, makes the calls in order, and asks on with what they answered', async () => {
    const { url, requests } = await serveEach(
      word('Let me ') +
        word('see.') +
        calls({ index: 0, id: 'c1', name: 'p_upper', arguments: '{"wo' }) +
        calls({ index: 0, arguments: 'rd":"a"}' }, { index: 1, id: 'c2', name: 'p_upper', arguments: '{"word":"b"}' }) +
        usage(10, 3) +
        TURN,
      word('Done.') + STOP + usage(20, 4) + event('[DONE]'),
    );
    const { answer, end, out } = await run({ url }, { turn: { tools: upper } });
    expect({ answer, end }).toEqual({ answer: 'Let me see.Done.', end: { kind: 'done', stopReason: 'stop' } });
    expect(requests[0]?.body.tools).toEqual([
      { type: 'function', function: { name: 'p_upper', description: 'Shouts.', parameters: { type: 'object' } } },
    ]);
    expect(requests[1]?.body.messages).toEqual([
      { role: 'user', content: 'hello' },
      {
        role: 'assistant',
        content: 'Let me see.',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'p_upper', arguments: '{"word":"a"}' } },
          { id: 'c2', type: 'function', function: { name: 'p_upper', arguments: '{"word":"b"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'A' },
      { role: 'tool', tool_call_id: 'c2', content: 'B' },
    ]);
    const reported = out.deeds.flatMap(([what, call]) => (what === 'tool' ? [call as ToolCall] : []));
    expect(reported.map(({ id, status, output }) => [id, status, output])).toEqual([
      ['m1:1.1', 'running', undefined],
      ['m1:1.1', 'done', 'A'],
      ['m1:1.2', 'running', undefined],
      ['m1:1.2', 'done', 'B'],
    ]);
    expect(reported[0]).toMatchObject({ title: 'Upper', input: { word: 'a' } });
    expect(out.deeds.filter(([what]) => what === 'usage').at(-1)).toEqual([
      'usage',
      { inputTokens: 30, outputTokens: 7 },
    ]);
    expect(out.deeds.map(([what]) => what)).toContain('paragraph');
  });

  test.each([
    ['that there is none of', { name: 'p_lower', arguments: '{}' }, 'not_found: There is no tool "p_lower".'],
    [
      'whose arguments are no JSON',
      { name: 'p_upper', arguments: '{"word' },
      'bad_request: The arguments are not JSON.',
    ],
    ['that fails', { name: 'p_upper', arguments: '' }, 'bad_request: "word": missing.'],
  ])('tells the model of a call %s, and goes on', async (_, call, message) => {
    const { url, requests } = await serveEach(calls({ index: 0, id: 'c', ...call }) + TURN, word('Sorry.') + STOP);
    const { answer, out } = await run({ url }, { turn: { tools: upper } });
    expect(answer).toBe('Sorry.');
    expect((requests[1]?.body.messages as object[] | undefined)?.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'c',
      content: message,
    });
    // What comes back is JSON, whatever it was.
    const messages = requests[1]?.body.messages as { tool_calls?: { function: { arguments: string } }[] }[] | undefined;
    expect(JSON.parse(messages?.[1]?.tool_calls?.[0]?.function.arguments ?? '')).toEqual({});
    expect(out.deeds).toContainEqual(['tool', expect.objectContaining({ status: 'failed', output: message })]);
  });

  test('details of a failure that are not ours reach nobody', async () => {
    const { url, requests } = await serveEach(calls({ id: 'c', name: 'p_upper' }) + TURN, word('Sorry.') + STOP);
    const tools = { ...upper, call: () => Promise.reject(new Error('at /home/secret.ts')) };
    await run({ url }, { turn: { tools } });
    expect(JSON.stringify(requests[1]?.body)).not.toContain('secret');
  });

  test('without tools the request names none', async () => {
    const { url, requests } = await serveEach(word('hi') + STOP);
    await run({ url });
    expect(requests[0]?.body).not.toHaveProperty('tools');
  });

  test('an agent that shall have none is offered none, and a server that does not want them says so with a hint', async () => {
    const { url, requests } = await serve((response) => response.writeHead(400).end('m does not support tools'));
    const message = 'The server answered 400: m does not support tools';
    const hint = expect.stringContaining('"tools" of the agent');
    expect((await run({ url }, { turn: { tools: upper } })).end).toEqual({ kind: 'failed', message, hint });
    expect((await run({ url, tools: false }, { turn: { tools: upper } })).end).toEqual({ kind: 'failed', message });
    expect(requests.map(({ body }) => 'tools' in body)).toEqual([true, false]);
  });

  test('that are revoked meanwhile are not offered any more', async () => {
    let offered = upper.list();
    const tools: TurnTools = {
      list: () => offered,
      call: async () => {
        offered = [];
        return 'last';
      },
    };
    const { url, requests } = await serveEach(
      calls({ id: 'c', name: 'p_upper', arguments: '{}' }) + TURN,
      word('.') + STOP,
    );
    await run({ url }, { turn: { tools } });
    expect(requests.map(({ body }) => 'tools' in body)).toEqual([true, false]);
  });

  test('ends a model that never stops calling them', async () => {
    const { url, requests } = await serveEach(calls({ id: 'c', name: 'p_upper', arguments: '{"word":"a"}' }) + TURN);
    const { end } = await run({ url }, { turn: { tools: upper }, limits: { maxRounds: 3 } });
    expect(end).toEqual({ kind: 'failed', message: 'The model still called tools in its answer number 3.' });
    expect(requests).toHaveLength(3);
  });

  test('ends what its tools make too long', async () => {
    const { url } = await serveEach(calls({ id: 'c', name: 'p_upper', arguments: '{"word":"abc"}' }) + TURN);
    const { end } = await run({ url }, { turn: { tools: upper }, limits: { maxToolChars: 7 } });
    expect(end).toEqual({ kind: 'failed', message: 'Its tools answered with more than 7 characters.' });
  });

  test.each([
    ['with too many at once', calls({ index: 32, name: 'p_upper' })],
    ['with an index that is none', calls({ index: -1, name: 'p_upper' })],
    ['with arguments without end', calls({ index: 0, name: 'p_upper', arguments: 'x'.repeat(300_000) })],
  ])('ends a model that calls them %s', async (_, answer) => {
    const { url } = await serveEach(answer + TURN);
    await expect(run({ url }, { turn: { tools: upper } })).rejects.toMatchObject({ code: 'agent_flood' });
  });

  test('that is aborted while a tool works ends at once', async () => {
    const abort = new AbortController();
    const { url, requests } = await serveEach(calls({ id: 'c', name: 'p_upper', arguments: '{}' }) + TURN);
    const tools: TurnTools = {
      ...upper,
      call: () => {
        abort.abort();
        return new Promise(() => undefined);
      },
    };
    const { end } = await run({ url }, { turn: { tools }, signal: abort.signal });
    expect(end).toEqual({ kind: 'cancelled' });
    expect(requests).toHaveLength(1);
  });
});

describe('what goes wrong', () => {
  test.each([
    [401, { error: { message: 'Incorrect API key' } }, 'The server answered 401: Incorrect API key', 'Check the key'],
    [404, { error: 'model not found' }, 'The server answered 404: model not found', 'Check "url" and "model"'],
    [429, { message: 'slow down' }, 'The server answered 429: slow down', 'Send it again in 7 seconds.'],
    [500, 'oh no', 'The server answered 500: oh no', 'Send it again later.'],
    [503, '', 'The server answered 503: nothing', 'Send it again later.'],
  ])('with the status %i is reported in the text of the server', async (status, body, message, hint) => {
    const { url } = await serve((response) => {
      response.writeHead(status, { 'retry-after': '7' }).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    const { end } = await run({ url });
    expect(end).toMatchObject({ kind: 'failed', message, hint: expect.stringContaining(hint) });
  });

  test('with a long complaint is cut to 500 characters', async () => {
    const { url } = await serve((response) => {
      response.writeHead(400);
      const more = (): void => {
        // Without end: nobody reads it to it.
        if (!response.destroyed && response.write('x'.repeat(65_536))) setImmediate(more);
        else if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const { end } = await run({ url });
    expect(end).toEqual({ kind: 'failed', message: `The server answered 400: ${'x'.repeat(500)}…` });
  });

  test('with a stream that breaks off is reported, and the text so far stays', async () => {
    const { url } = await serve((response) => {
      response.writeHead(200, STREAM).write(word('half'), () => response.destroy());
    });
    const { answer, end } = await run({ url });
    expect(answer).toBe('half');
    expect(end).toMatchObject({ kind: 'failed', message: expect.stringContaining('failed:') });
  });

  test('with a stream that ends without a reason is reported', async () => {
    const { url } = await serve((response) => response.writeHead(200, STREAM).end(word('half')));
    expect((await run({ url })).end).toEqual({
      kind: 'failed',
      message: 'The stream of the server broke off in the middle of the answer.',
    });
  });

  test('with an error in the stream is reported', async () => {
    const { url } = await serve((response) =>
      response.writeHead(200, STREAM).end(word('half') + event({ error: { message: 'overloaded' } })),
    );
    expect((await run({ url })).end).toEqual({
      kind: 'failed',
      message: 'The server failed in the middle: overloaded',
    });
  });

  test.each(['no JSON', '[]', '{"choices":7}'])('with an invalid chunk is reported: %s', async (data) => {
    const { url } = await serve((response) => response.writeHead(200, STREAM).end(event(data)));
    expect((await run({ url })).end).toEqual({ kind: 'failed', message: `The server sent an invalid chunk: ${data}` });
  });

  test('with an answer that is no stream is reported, with its beginning', async () => {
    const { url } = await serve((response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>'),
    );
    expect((await run({ url })).end).toMatchObject({
      kind: 'failed',
      message: 'The server answered with text/html instead of a stream: <h1>Welcome</h1>',
    });
  });

  test('with a redirect is not followed, and its target is reported', async () => {
    const { url, requests } = await serve((response) => response.writeHead(307, { location: '/elsewhere' }).end());
    expect((await run({ url })).end).toMatchObject({
      kind: 'failed',
      message: 'The server sends us elsewhere (307): /elsewhere',
    });
    expect(requests).toHaveLength(1);
  });

  test('with nobody at the address is reported', async () => {
    const { url } = await serve(() => undefined);
    await new Promise((resolve) => server?.close(resolve));
    server = undefined;
    expect((await run({ url })).end).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/^The connection to 127\.0\.0\.1:\d+ failed: .*ECONNREFUSED/),
    });
  });

  test('with one line without end stops at the limit, not at 100 MB', async () => {
    let written = 0;
    const { url } = await serve((response) => {
      response.writeHead(200, STREAM).write('data: ');
      const more = (): void => {
        while (written < 100 * 1024 * 1024 && !response.destroyed) {
          written += 65_536;
          if (!response.write('x'.repeat(65_536))) {
            response.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    await expect(run({ url })).rejects.toMatchObject({ code: 'agent_flood' });
    expect(written).toBeLessThan(50 * 1024 * 1024);
  });

  test('with an answer without end stops at the limit', async () => {
    const { url } = await serve((response) => {
      response.writeHead(200, STREAM);
      const more = (): void => {
        if (!response.destroyed) response.write(word('x'), () => setImmediate(more));
      };
      more();
    });
    await expect(run({ url }, { limits: { maxAnswerBytes: 5000 } })).rejects.toMatchObject({ code: 'agent_flood' });
  });

  test.each([undefined, 'nonsense', 'file:///etc/passwd', 'http://user:pass@host/v1'])(
    'with the address %s is reported before anything is sent',
    async (url) => {
      const failure = run(url === undefined ? {} : { url });
      await expect(failure).rejects.toMatchObject({ code: 'bad_request' });
      await expect(failure).rejects.not.toThrow('pass@');
    },
  );

  test('with a missing key is reported, and nothing is sent', async () => {
    const { url, requests } = await serve(() => undefined);
    await expect(run({ url, apiKeyEnv: 'NO_SUCH_KEY' })).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('NO_SUCH_KEY'),
    });
    expect(requests).toEqual([]);
  });
});

describe('a reader of events', () => {
  test('reads the same, however the bytes are cut', () => {
    const line = fc.stringMatching(/^[^\r\n]*$/);
    fc.assert(
      fc.property(
        fc.array(line),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        fc.boolean(),
        (lines, cuts, isCrlf) => {
          const end = isCrlf ? '\r\n' : '\n';
          const bytes = Buffer.from(lines.map((data) => `: x${end}data: ${data}${end}id: 1${end}${end}`).join(''));
          const reader = new SseReader({ maxLineBytes: 1e6, maxAnswerBytes: 1e6 });
          const read: string[] = [];
          for (let at = 0; at < bytes.length; ) {
            const size = cuts.next().value ?? 1;
            read.push(...reader.read(bytes.subarray(at, at + size)));
            at += size;
          }
          // What is no UTF-8 was made so by the encoder of this test.
          expect(read).toEqual(lines.map((data) => Buffer.from(data).toString()));
        },
      ),
    );
  });

  test('joins the lines of one event', () => {
    const reader = new SseReader({ maxLineBytes: 100, maxAnswerBytes: 1000 });
    expect([...reader.read(Buffer.from('data:a\ndata: b\n\n'))]).toEqual(['a\nb']);
  });

  test('takes no more of an event that never ends than of a line', () => {
    const reader = new SseReader({ maxLineBytes: 100, maxAnswerBytes: 1e6 });
    const read = (): unknown => [...reader.read(Buffer.from('data: 0123456789\n'.repeat(100)))];
    expect(read).toThrow(expect.objectContaining({ code: 'agent_flood' }));
  });
});
