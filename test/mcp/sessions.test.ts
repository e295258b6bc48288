// The commands of agents as sessions among others: finished ones cost nothing, old output is a gap, foreign ones are
// read, and a gateway that stops says so.

import { readdirSync, readlinkSync } from 'node:fs';
import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { call, connectHttp } from './mcp.fixture.ts';

/** Finished sessions whose log is kept open for the next reader. */
const KEPT = 64;

let gateway: Gateway;
let client: Client;
/** Writes more than is kept; what is too much goes away after some seconds. */
let long: string;
beforeAll(async () => {
  gateway = await openGateway({ retainBytes: 256 * 1024 });
  client = await connectHttp(gateway);
  long = (await call(client, 'bash_start', { command: 'seq -w 1 200000; sleep 100' })).data.id;
});
afterAll(async () => {
  await client.close();
  await gateway.close();
});

test('finished commands are listed and readable, and leave the memory of the gateway', async () => {
  const ids: string[] = [];
  for (let n = 0; n < KEPT + 12; n += 19) {
    const started = await Promise.all(
      Array.from({ length: 19 }, (_, i) => call(client, 'bash_start', { command: `echo number ${n + i}` })),
    );
    ids.push(...started.map(({ data }) => data.id));
    await Promise.all(started.map(({ data }) => call(client, 'bash_output', { id: data.id, block: true })));
  }
  const { data } = await call(client, 'bash_list', { running: false, limit: 200 });
  expect(data.sessions).toHaveLength(ids.length);
  expect(data.more).toBe(false);
  expect((await call(client, 'bash_list', { running: false, limit: 7 })).data).toMatchObject({ more: true });
  const [first] = ids;
  expect((await call(client, 'bash_output', { id: first, offset: 0 })).data).toMatchObject({
    text: 'number 0\n',
    status: 'closed',
    exit_code: 0,
  });
  // The one that runs is open besides.
  const open = new Set(
    readdirSync('/proc/self/fd')
      .flatMap((fd) => linkOf(`/proc/self/fd/${fd}`))
      .filter((path) => path.startsWith(gateway.dir))
      .flatMap((path) => /sessions\/([0-9a-f-]{36})\//.exec(path)?.[1] ?? []),
  );
  expect(open.size).toBeLessThanOrEqual(KEPT + 1);
}, 60_000);

test('output that is not kept any more is a gap with its numbers, and the rest follows', async () => {
  const id = long;
  const infoOf = async () =>
    (await (await gateway.fetch(`/v1/sessions/${id}`)).json()) as { oldestOffset: number; outputOffset: number };
  await until('it is written, and some of it is gone', async () => {
    const now = await infoOf();
    return now.outputOffset === 1_400_000 && now.oldestOffset > 0;
  });
  const info = await infoOf();
  const { data, text } = await call(client, 'bash_output', { id, offset: 7, max_bytes: 70 });
  expect(data.gap).toEqual({ from: 7, to: info.oldestOffset });
  expect(data).toMatchObject({ offset: info.oldestOffset, next_offset: info.oldestOffset + 70, truncated: true });
  const all = Array.from({ length: 200_000 }, (_, i) => `${String(i + 1).padStart(6, '0')}\n`).join('');
  expect(data.text).toBe(all.slice(info.oldestOffset, info.oldestOffset + 70));
  expect(text).toContain('not kept any more');
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test('a command that runs elsewhere is listed and read, and is not steered', async () => {
  const emitted = await gateway.fetch('/v1/pty-traffic/emit', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ session_id: 'build-1', source: 'ci', command: 'make', response: 'compiling\n' }),
  });
  expect(emitted.ok).toBe(true);
  const { data } = await call(client, 'bash_list', { running: true });
  const found = data.sessions.find((one: { source: string | null }) => one.source === 'ci');
  expect(found).toBeDefined();
  expect((await call(client, 'bash_output', { id: found.id, offset: 0, wait_ms: 5000 })).data).toMatchObject({
    text: 'compiling\n',
    status: 'running',
  });
  for (const [name, args] of [
    ['bash_input', { text: 'x' }],
    ['bash_signal', { signal: 'INT' }],
  ] as const) {
    expect((await call(client, name, { id: found.id, ...args })).data).toMatchObject({ code: 'session_foreign' });
  }
  await gateway.fetch(`/v1/sessions/${found.id}`, { method: 'DELETE' });
});

test('a prompt asks for one session, whose id is completed by its name, and of those alone that are seen', async () => {
  const { id } = (await call(client, 'bash_start', { command: 'sleep 100', name: 'nightly build' })).data;
  expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['session']);
  const ref = { type: 'ref/prompt', name: 'session' } as const;
  const { completion } = await client.complete({ ref, argument: { name: 'id', value: 'Nightly' } });
  expect(completion.values).toEqual([id]);
  const { messages } = await client.getPrompt({ name: 'session', arguments: { id } });
  expect(messages).toMatchObject([{ role: 'user', content: { type: 'text', text: expect.stringContaining(id) } }]);
  await expect(client.getPrompt({ name: 'session', arguments: { id: 'nothing' } })).rejects.toThrow(/No such session/);
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test('a gateway that stops says so to who waits, and the command goes on', async () => {
  const { id } = (await call(client, 'bash_start', { command: 'sleep 100' })).data;
  const waiting = call(client, 'bash_output', { id, block: true });
  await until('it waits', async () => {
    const text = await (await gateway.fetch('/metrics')).text();
    // The call, and the stream by which the client would hear of changes.
    return /^binnacle_viewers 2$/m.test(text);
  });
  const stopped = gateway.stop();
  expect(await waiting).toMatchObject({ isError: true, data: { code: 'going_away', retryable: true } });
  await stopped;
  await gateway.start();
  expect((await call(client, 'bash_output', { id })).data).toMatchObject({ status: 'running' });
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return []; // Closed by now.
  }
}
