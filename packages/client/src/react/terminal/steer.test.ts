import type { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, type TestSession, until } from '../../../test/test-gateway.ts';
import { Binnacle } from '../../client.ts';
import { TerminalSteer } from './steer.ts';

let gateway: TestGateway;
let there: TestSession;
let client: Binnacle;
let steer: TerminalSteer;
/** Gates the answer to the request for the lease. */
let open: () => void;
let problems: (BinnacleError | undefined)[];

beforeEach(async () => {
  gateway = await TestGateway.start();
  there = gateway.session();
  client = new Binnacle({ url: gateway.url, token: 't', WebSocket });
  const session = client.session(there.id);
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  problems = [];
  steer = new TerminalSteer(
    {
      session,
      hold: async (action) => {
        await session.lease[action]();
        await gate;
      },
      release: () => session.lease.release(),
    },
    (error) => problems.push(error),
  );
});

afterEach(async () => {
  steer.stop();
  client.close();
  await gateway.stop();
});

const codes = () => problems.map((error) => error?.code);
const actions = () => gateway.received.flatMap((frame) => (frame.t === 'lease' ? [frame.action] : []));

it('typing acquires a free lease once, and what was typed meanwhile goes before what comes then', async () => {
  for (const key of ['a', 'b', 'c']) steer.typed(key);
  await until('the lease', () => steer.holds);
  // It is there, and the owner does not know yet: what waits goes first.
  steer.typed('d');
  expect(there.input).toBe('');
  open();
  await until('what was typed', () => there.input.length === 4);
  steer.typed('e');
  await until('all of it in order', () => there.input === 'abcde');
  expect(actions()).toEqual(['acquire']);
  expect(codes()).toEqual([undefined]);
});

it('more than 1 MiB does not wait for the lease: it is refused, with a code, and what waited before it is sent', async () => {
  steer.typed('x'.repeat(512 * 1024));
  steer.typed('y'.repeat(512 * 1024 + 1));
  expect(codes()).toEqual(['input_full']);
  steer.typed('z');
  open();
  await until('what waited', () => there.input.length === 512 * 1024 + 1);
  expect(there.input.endsWith('xz')).toBe(true);
});

it('what is typed while another client has the lease is not sent, now or later, and that is said; a mouse does not ask', async () => {
  await client.session(there.id).lease.acquire({ holder: 'Ada' });
  steer.pointed('\x1b[M !!');
  steer.replied('\x1b[?1;2c');
  steer.typed('rm');
  await until('the refusal', () => problems.length === 1);
  expect(problems[0]).toMatchObject({
    code: 'lease_held',
    message: 'Ada is in control. What you typed was not sent.',
  });
  steer.take();
  open();
  await until('the lease', () => problems.length === 2);
  expect([codes(), there.input]).toEqual([['lease_held', undefined], '']);
});

it('a lease that comes after the last listener has left is released', async () => {
  steer.typed('x');
  await until('the lease', () => steer.holds);
  steer.stop();
  open();
  await until('the release', () => actions().includes('release'));
  expect([there.input, steer.holds, codes()]).toEqual(['', false, []]);
});
