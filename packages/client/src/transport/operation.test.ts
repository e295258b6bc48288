import { BinnacleError } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { Emitter } from './event-emitter.ts';
import { Http } from './http.ts';
import { Operation, Operations } from './operation.ts';
import { settle } from './options.ts';

function open(baseMs = 1) {
  let now = 0;
  const settings = settle({ url: 'http://127.0.0.1:1', backoff: { baseMs }, now: () => now, random: () => 1 });
  const events = new Emitter<{ error: BinnacleError }>();
  const errors: string[] = [];
  events.on('error', ({ code }) => errors.push(code));
  const operations = new Operations(new Http(settings), { settings, events });
  return { operations, errors, pass: (ms: number) => (now += ms) };
}

it('a request is repeated until it succeeds, or until its error is final', async () => {
  const { operations } = open();
  const operation = new Operation(operations);
  let tries = 0;
  const failing = (code: BinnacleError['code'], times: number) => async () => {
    tries += 1;
    if (tries <= times) throw new BinnacleError(code);
    return tries;
  };
  expect(await operation.persist(failing('unreachable', 2), () => true)).toBe(3);
  tries = 0;
  await expect(operation.persist(failing('bad_request', 1), () => false)).rejects.toMatchObject({
    code: 'bad_request',
  });
  expect(tries).toBe(1);
});

it('a first request is repeated while the gateway is away, until its time is over, and never after a refusal', () => {
  const { operations, pass } = open();
  const operation = new Operation(operations);
  expect(operation.mayBegin(new BinnacleError('unreachable'))).toBe(true);
  expect(operation.mayBegin(new BinnacleError('lease_held'))).toBe(false);
  pass(operations.settings.requestTimeoutMs);
  expect(operation.mayBegin(new BinnacleError('unreachable'))).toBe(false);
});

it('a wake-up ends the wait for the next try', async () => {
  const { operations } = open(1_000_000);
  let tries = 0;
  const result = new Operation(operations).persist(
    async () => {
      tries += 1;
      if (tries === 1) throw new BinnacleError('unreachable');
      return tries;
    },
    () => true,
  );
  await expect.poll(() => operations.sleepers.size).toBe(1);
  operations.wake();
  expect(await result).toBe(2);
  expect(operations.sleepers.size).toBe(0);
});

it('closing the client ends what is in progress, also while it waits, and nothing begins any more', async () => {
  const { operations, errors } = open(1_000_000);
  const stops: string[] = [];
  const operation = new Operation(operations, ({ code }) => stops.push(code));
  const unreachable = () => Promise.reject(new BinnacleError('unreachable'));
  const result = operation.during(() => operation.persist(unreachable, () => true));
  operation.report(result);
  await expect.poll(() => operations.sleepers.size).toBe(1);
  operations.stop();
  await expect(result).rejects.toMatchObject({ code: 'client_closed' });
  expect([stops, errors, operations.open.size]).toEqual([['client_closed'], [], 0]);
  const late = new Operation(operations);
  let tries = 0;
  await expect(
    late.persist(
      async () => (tries += 1),
      () => true,
    ),
  ).rejects.toMatchObject({ code: 'client_closed' });
  expect(tries).toBe(0);
});

it('an error that nobody waits for is reported', async () => {
  const { operations, errors } = open();
  new Operation(operations).report(Promise.reject(new BinnacleError('bad_cwd')));
  const watched = new Operation(operations);
  watched.isWatched = true;
  watched.report(Promise.reject(new BinnacleError('bad_key')));
  await expect.poll(() => errors).toEqual(['bad_cwd']);
});
