// The command line at sessions that run elsewhere: it says so, watches, and tells how they ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { TrafficEvent } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

let gateway: Gateway;
const children: ChildProcess[] = [];

beforeAll(async () => {
  gateway = await openGateway();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => await gateway.close());

async function emit(event: TrafficEvent): Promise<string> {
  const answer = await gateway.fetch('/v1/pty-traffic/emit', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events: [event] }),
  });
  const { results } = (await answer.json()) as { results: { session: string }[] };
  return results[0]?.session ?? '';
}

/** Its stdin stays open, so that nothing but the program ends it. */
function command(...args: string[]) {
  const child = spawn(process.execPath, [BINARY, ...args, '--data', gateway.dir]);
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes) => {
    out += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    err += String(bytes);
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { out: () => out, err: () => err, ended };
}

it('attach says that it only watches what runs elsewhere, and how that ended', async () => {
  const id = await emit({ session_id: 'far', source: 'ci', command: 'make', response: 'one\n' });
  const watching = command('attach', '--take', id);
  await until('it shows what there is', () => watching.out() === 'one\n');
  expect(watching.err()).toMatch(/^\[binnacle: .* runs elsewhere \(ci\); only watching\]\n$/);
  await emit({ session_id: 'far', response: 'two\n', exit_code: 3, is_final: true });
  expect(await watching.ended).toBe(3);
  expect(watching.out()).toBe('one\ntwo\n');
  expect(watching.err()).toMatch(/only watching\]\n\[binnacle: .* has ended with 3\]\n$/);

  const late = command('attach', id);
  expect(await late.ended).toBe(3);
  expect(late.out()).toBe('one\ntwo\n');
  expect(late.err()).toMatch(/ran elsewhere \(ci\).*\n.*has ended with 3\]\n$/);
});

it('attach tells of a signal that ended it, and of an end that nobody saw', async () => {
  const killed = await emit({ session_id: 'killed', response: 'x', signal: 'SIGKILL', is_final: true });
  const first = command('attach', killed);
  expect(await first.ended).toBe(137);
  expect(first.err()).toMatch(/was ended by SIGKILL\]\n$/);
  const unseen = await emit({ session_id: 'unseen', response: 'x', is_final: true });
  const second = command('attach', unseen);
  expect(await second.ended).toBe(1);
  expect(second.err()).toMatch(/the exit code of the program is not known\]\n$/);
});

it('tail of an offset that is ahead names the offset that there is', async () => {
  const id = await emit({ session_id: 'short', response: 'ahoy\n' });
  const tail = command('tail', id, '--since', '100000');
  expect(await tail.ended).toBe(1);
  expect(tail.err()).toContain('Read from 5;');
});

it('a query without words is told that they are missing', async () => {
  const answer = await gateway.fetch('/v1/search');
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    error: { code: 'bad_request', message: '"q" in the query is missing.', details: { in: 'query', field: 'q' } },
  });
});
