// Tools of plugins over MCP, by the official client against a real gateway with real plugins: what is listed, what is
// checked, what is refused, and hooks around every call.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginLog } from '@binnacle/protocol';
import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, connectHttp, connectStdio, type Era, tokenFor } from '../mcp/mcp.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin, pluginFolder, pluginInfo } from './installed.fixture.ts';

let gateway: Gateway;
let client: Client;
const clients: Client[] = [];
beforeAll(async () => {
  gateway = await openGateway({ maxMcpCalls: 3 });
  client = await connect();
  await installPlugin(gateway, { id: 'words', source: WORDS, permissions: { tools: true } });
});
afterAll(async () => {
  await Promise.all(clients.map((one) => one.close()));
});

async function connect(options: Parameters<typeof connectHttp>[1] = {}): Promise<Client> {
  const one = await connectHttp(gateway, options);
  clients.push(one);
  return one;
}
const namesOf = async (of = client): Promise<string[]> => (await of.listTools()).tools.map(({ name }) => name);
const logOf = async (id: string): Promise<string[]> =>
  (await ask<PluginLog>(gateway, 'GET', `/v1/plugins/${id}/logs`)).lines.map(({ text }) => text);
const errorOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: Error) => error.message,
  );

const WORDS = `export default (api) => {
  const word = { type: 'object', properties: { word: { type: 'string', minLength: 1 }, n: { type: 'integer', default: 2 } },
    required: ['word'], additionalProperties: false };
  api.tool({ name: 'repeat', title: 'Repeat', description: 'Repeats a word.', input: word, readOnly: true,
    run: ({ word, n }, call) => (word + ' ').repeat(n).trim() + ' for ' + call.caller + ' via ' + call.via });
  api.tool({ name: 'count', description: 'Counts letters.', input: word, run: ({ word }) => ({ letters: word.length }) });
  api.tool({ name: 'fail', description: 'Fails.', run: () => { throw new Error('no such dictionary'); } });
  api.tool({ name: 'nothing', description: 'Answers nothing.', run: () => undefined });
  api.tool({ name: 'much', description: 'Answers much.', run: () => 'x'.repeat(300 * 1024) });
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  api.tool({ name: 'wait', description: 'Waits.', run: async () => { console.log('waits'); await released; return 'waited'; } });
  api.tool({ name: 'release', description: 'Ends the wait.', run: () => { release(); return 'released'; } });
};`;

describe.each<Era>(['handshake', 'stateless'])('in the era of the %s, tools of a plugin', (era) => {
  it('are listed by the id of the plugin, behind our own, as the plugin describes them', async () => {
    const { tools } = await (await connect({ era })).listTools();
    expect(tools.slice(0, 7).every(({ name }) => name.startsWith('bash_'))).toBe(true);
    expect(tools.slice(7).map(({ name }) => name)).toEqual(
      ['repeat', 'count', 'fail', 'nothing', 'much', 'wait', 'release'].map((name) => `words_${name}`),
    );
    expect(tools[7]).toMatchObject({
      title: 'Repeat',
      description: 'Repeats a word.',
      annotations: { readOnlyHint: true },
      inputSchema: {
        type: 'object',
        properties: { word: { minLength: 1 } },
        required: ['word'],
        additionalProperties: false,
      },
    });
    expect(tools[8]).toMatchObject({ annotations: { readOnlyHint: false } });
  });

  it('are called with arguments that were checked, and answer with a text or an object', async () => {
    const caller = await connect({ era });
    expect(await call(caller, 'words_repeat', { word: 'ahoy' })).toMatchObject({
      isError: false,
      text: 'ahoy ahoy for admin via mcp',
    });
    expect(await call(caller, 'words_count', { word: 'ahoy' })).toMatchObject({
      text: '{"letters":4}',
      data: { letters: 4 },
    });
    for (const given of [{}, { word: '' }, { word: 7 }, { word: 'a', other: 1 }]) {
      expect(await call(caller, 'words_repeat', given)).toMatchObject({ isError: true, data: { code: 'bad_request' } });
    }
  });

  it("that fail say so in words that are told to be the plugin's", async () => {
    const caller = await connect({ era });
    const failed = await call(caller, 'words_fail');
    expect(failed).toMatchObject({ isError: true, data: { code: 'plugin_failed', details: { plugin: 'words' } } });
    expect(failed.text).toMatch(/^plugin_failed: words: no such dictionary/);
    expect((await call(caller, 'words_nothing')).text).toContain('it answered nothing: return a text or an object');
    expect((await call(caller, 'words_much')).text).toContain('262144 are taken');
  });
});

it('the bridge over stdio passes them on as they are', async () => {
  const bridge = await connectStdio(gateway);
  clients.push(bridge);
  expect((await bridge.listTools()).tools).toEqual((await client.listTools()).tools);
  expect((await call(bridge, 'words_count', { word: 'hi' })).data).toEqual({ letters: 2 });
});

it('tools that wait count against what a token may have under way', async () => {
  const waits = [1, 2, 3].map(() => call(client, 'words_wait'));
  await until('all of them wait', async () => (await logOf('words')).filter((line) => line === 'waits').length === 3);
  expect(await call(client, 'words_repeat', { word: 'a' })).toMatchObject({ data: { code: 'too_many_calls' } });
  const other = await connect({ token: await tokenFor(gateway, 'create') });
  expect(await call(other, 'words_release')).toMatchObject({ text: 'released' });
  expect((await Promise.all(waits)).map(({ text }) => text)).toEqual(['waited', 'waited', 'waited']);
});

it('what a plugin says of itself gives nobody more than the token has', async () => {
  for (const scope of ['view', 'input']) {
    const watcher = await connect({ token: await tokenFor(gateway, scope) });
    expect(await call(watcher, 'words_repeat', { word: 'a' })).toMatchObject({
      isError: true,
      data: { code: 'forbidden', details: { needed: 'create', held: scope } },
    });
  }
});

it('a tool is gone with its permission in the same second, and back with it, by the same process', async () => {
  const { pid } = await pluginInfo(gateway, 'words');
  await grant(gateway, 'words', 'tools', { names: ['count'] });
  expect((await namesOf()).slice(7)).toEqual(['words_count']);
  expect(await errorOf(call(client, 'words_repeat', { word: 'a' }))).toContain('words_repeat');
  // The file alone says it, too.
  writeFileSync(join(gateway.dir, 'config.jsonc'), '{"plugins":{"entries":{"words":{"permissions":{}}}}}');
  await until('it is not listed any more', async () => (await namesOf()).length === 7, 1000);
  expect(await errorOf(call(client, 'words_count', { word: 'a' }))).toContain('words_count');
  await grant(gateway, 'words', 'tools', true);
  expect(await call(client, 'words_count', { word: 'a' })).toMatchObject({ data: { letters: 1 } });
  expect((await pluginInfo(gateway, 'words')).pid).toBe(pid);
});

it('two plugins never have one name, whatever they are called', async () => {
  const tool = (name: string): string =>
    `export default (api) => api.tool({ name: '${name}', description: 'x', run: () => '${name}' });`;
  const long = 'a'.repeat(60);
  for (const [id, name] of [
    ['a', 'b-c'],
    ['a-b', 'c'],
    [long, 'tool-one'],
    [long.slice(1), 'tool-one'],
  ] as const) {
    await installPlugin(gateway, { id, source: tool(name), permissions: { tools: true } });
  }
  const names = (await namesOf()).filter((name) => name.startsWith('a'));
  expect(names).toHaveLength(4);
  expect(new Set(names).size).toBe(4);
  expect(names).toEqual(expect.arrayContaining(['a_b-c', 'a-b_c']));
  expect(names.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true);
  expect((await call(client, 'a_b-c')).text).toBe('b-c');
  expect((await call(client, 'a-b_c')).text).toBe('c');
  // The same again the next time.
  expect((await namesOf()).filter((name) => name.startsWith('a'))).toEqual(names);
});

it('a plugin cannot be called as our own tools begin, and none is loaded whose schema cannot be checked', async () => {
  const dir = pluginFolder({ id: 'bash', source: '' });
  expect(await errorOf(ask(gateway, 'POST', '/v1/plugins/preview', { path: dir }))).toContain('bad_manifest');
  const source = `export default (api) => api.tool({ name: 'x', description: 'x', run: () => '',
    input: { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } } });`;
  const folder = pluginFolder({ id: 'patterned', source, permissions: { tools: true } });
  const { digest } = await ask<{ digest: string }>(gateway, 'POST', '/v1/plugins/preview', { path: folder });
  await ask(gateway, 'POST', '/v1/plugins', { path: folder, digest });
  await until('its problem says why', async () => {
    const { problem } = await pluginInfo(gateway, 'patterned');
    return problem?.message.includes('"pattern" is not taken') === true;
  });
  expect(await namesOf()).not.toContain('patterned_x');
});

const GUARD = `export default (api) => {
  api.hook('beforeToolCall', async ({ tool, input, caller, via }) => {
    console.log(JSON.stringify({ before: tool, input, caller, via }));
    if (input.command === 'true HOLD') {
      await new Promise((resolve) => setTimeout(resolve, 200));
      console.log('decided');
    }
    if (JSON.stringify(input).includes('rm -rf')) return { veto: 'nothing is deleted here' };
  }, { deadlineMs: 5000 });
  api.hook('afterToolCall', ({ tool, isError, output }) => console.log(JSON.stringify({ after: tool, isError, output })));
};`;

describe('a hook on tool calls', () => {
  beforeAll(async () => {
    await installPlugin(gateway, {
      id: 'guard',
      source: GUARD,
      permissions: { hooks: { on: ['beforeToolCall', 'afterToolCall'] } },
    });
  });
  const told = async (): Promise<Record<string, unknown>[]> =>
    (await logOf('guard')).filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

  it("is asked before each and told after it, of our tools and of plugins'", async () => {
    const { data } = await call(client, 'bash_start', { command: 'echo hi', timeout: 60_000 });
    expect(data.id).toBeTypeOf('string');
    await call(client, 'words_fail');
    await until(
      'it was told of both',
      async () => (await told()).filter((one) => one.after !== undefined).length === 2,
    );
    const all = await told();
    // As it is done: under our own names, with the defaults.
    expect(all).toContainEqual({
      ...{ before: 'bash_start', caller: 'admin', via: 'mcp' },
      input: { command: 'echo hi', timeout_ms: 60_000, pty: false },
    });
    expect(all).toContainEqual(expect.objectContaining({ after: 'bash_start', isError: false }));
    expect(all).toContainEqual(
      expect.objectContaining({ after: 'words_fail', isError: true, output: expect.stringContaining('dictionary') }),
    );
  });

  it('that does not want it says why, and nothing is done', async () => {
    const before = (await call(client, 'bash_list')).data.sessions.length;
    const refused = await call(client, 'bash_start', { command: 'rm -rf /nowhere' });
    expect(refused).toMatchObject({
      isError: true,
      data: { code: 'vetoed', details: { plugin: 'guard', reason: 'nothing is deleted here' } },
    });
    expect(refused.text).toContain('The plugin "guard" does not allow it: nothing is deleted here');
    expect(await call(client, 'words_count', { word: 'rm -rf' })).toMatchObject({ data: { code: 'vetoed' } });
    expect((await call(client, 'bash_list')).data.sessions).toHaveLength(before);
  });

  it('is not asked about what the token may not do, nor about arguments that are wrong', async () => {
    // A call waits for its question, so none of them is late; a report after an earlier call may be.
    const questions = async () => (await told()).filter((one) => one.before !== undefined).length;
    const count = await questions();
    const watcher = await connect({ token: await tokenFor(gateway, 'view') });
    expect(await call(watcher, 'bash_start', { command: 'true' })).toMatchObject({ data: { code: 'forbidden' } });
    expect(await call(client, 'bash_start', {})).toMatchObject({ data: { code: 'bad_request' } });
    expect(await questions()).toBe(count);
  });

  it('is waited for; when the agent hangs up meanwhile, nothing is done', async () => {
    const hangUp = new AbortController();
    const params = { name: 'bash_start', arguments: { command: 'true HOLD' } };
    const asked = gateway.fetch('/mcp', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
      signal: hangUp.signal,
    });
    await until('it is asked', async () => (await logOf('guard')).some((line) => line.includes('true HOLD')));
    hangUp.abort();
    await expect(asked).rejects.toThrow();
    await until('it has decided', async () => (await logOf('guard')).includes('decided'));
    const commands = (await call(client, 'bash_list')).data.sessions.map((one: { command: string }) => one.command);
    expect(commands).not.toContain('true HOLD');
    const started = await call(client, 'bash_start', { command: 'true HOLD' });
    expect(started.isError).toBe(false);
  });

  it('that is not granted any more is not asked', async () => {
    await grant(gateway, 'guard', 'hooks', false);
    expect(await call(client, 'words_count', { word: 'rm -rf' })).toMatchObject({ data: { letters: 6 } });
  });
});
