import { BinnacleError, type InputReceipt } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputQueue } from '../runner/input-queue.ts';
import { GuardedInput, type SessionGuard } from './input-hooks.ts';

const VETO = new BinnacleError('vetoed', { message: 'no' });

/** A guard whose verdicts are given by the test, and a runner's queue behind it. */
function make(verdict: (text: string) => Promise<void> = async () => undefined) {
  let written = '';
  const judged: string[] = [];
  const queue = new InputQueue(1e6, (bytes) => {
    written += Buffer.from(bytes).toString();
    return bytes.length;
  });
  const guard: { -readonly [Key in keyof SessionGuard]: SessionGuard[Key] } = {
    judgesInput: true,
    observesInput: false,
    before: (event: { text: string }) => {
      judged.push(event.text);
      return verdict(event.text);
    },
    after: () => undefined,
    ended: () => undefined,
  };
  const input = new GuardedInput(guard);
  const write = (text: string, client?: string, n?: number): Promise<InputReceipt> => {
    const message = client === undefined || n === undefined ? undefined : { client, n };
    return input.pass({ session: 's', text, by: 'u' }, Buffer.from(text), message, async (bytes) =>
      queue.push(Buffer.from(bytes), client, n),
    );
  };
  return { guard, input, write, judged, written: () => written };
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'taken',
    (error: BinnacleError) => error.code,
  );

test('each input waits for its verdict, and none overtakes another', async () => {
  const verdicts = new Map<string, () => void>();
  const { write, written, judged, input } = make(
    (text) =>
      new Promise((resolve) => {
        verdicts.set(text, resolve);
      }),
  );
  const writes = ['a', 'b', 'c'].map((text) => write(text));
  const closed = input.inTurn(0, async () => written());
  expect(judged).toEqual(['a']);
  verdicts.get('a')?.();
  await writes[0];
  expect(written()).toBe('a');
  await expect.poll(() => judged).toEqual(['a', 'b']);
  verdicts.get('b')?.();
  await expect.poll(() => judged).toEqual(['a', 'b', 'c']);
  verdicts.get('c')?.();
  await Promise.all(writes);
  expect(await closed).toBe('abc');
  expect(input.isNeeded).toBe(true);
});

test('what waits is not overtaken when nobody is asked any more', async () => {
  let release: () => void = () => undefined;
  const { write, written, guard, input } = make(
    () =>
      new Promise((resolve) => {
        release = resolve;
      }),
  );
  const first = write('a');
  guard.judgesInput = false;
  expect(input.isNeeded).toBe(true);
  const second = write('b');
  release();
  await Promise.all([first, second]);
  expect(written()).toBe('ab');
  await expect.poll(() => input.isNeeded).toBe(false);
});

describe('a numbered message that is vetoed', () => {
  const strict = () => make(async (text) => (text.includes('x') ? Promise.reject(VETO) : undefined));

  test('uses its number up: the next one is no gap, and nothing of it is written', async () => {
    const { write, written } = strict();
    await write('a', 'c', 1);
    expect(await codeOf(write('x', 'c', 2))).toBe('vetoed');
    expect(await write('b', 'c', 3)).toMatchObject({ accepted: 1, duplicate: false });
    expect(written()).toBe('ab');
  });

  test('is vetoed again when it is sent again, whatever would be said now', async () => {
    let isStrict = true;
    const { write, written } = make(async () => (isStrict ? Promise.reject(VETO) : undefined));
    expect(await codeOf(write('x', 'c', 1))).toBe('vetoed');
    isStrict = false;
    expect(await codeOf(write('x', 'c', 1))).toBe('vetoed');
    expect(await write('y', 'c', 2)).toMatchObject({ duplicate: false });
    expect(written()).toBe('y');
  });

  test('but was let through before is a duplicate', async () => {
    let isStrict = false;
    const { write, written } = make(async () => (isStrict ? Promise.reject(VETO) : undefined));
    await write('hello', 'c', 1);
    isStrict = true;
    expect(await write('hello', 'c', 1)).toEqual({ accepted: 5, duplicate: true, queued: 0 });
    expect(written()).toBe('hello');
  });

  test('of several clients that are vetoed now and then, each sees what it wrote, once and in order', async () => {
    const vetoedOrNot = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.boolean(), fc.boolean()), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(vetoedOrNot, async (plan) => {
        const { write, written } = strict();
        const next = { a: 1, b: 1 };
        let expected = '';
        for (const [client, isVetoed, isRepeated] of plan as ['a' | 'b', boolean, boolean][]) {
          const n = next[client]++;
          const text = `${client}${n}${isVetoed ? 'x' : ''};`;
          for (let times = isRepeated ? 2 : 1; times > 0; times -= 1) {
            expect(await codeOf(write(text, client, n))).toBe(isVetoed ? 'vetoed' : 'taken');
          }
          if (!isVetoed) expected += text;
        }
        expect(written()).toBe(expected);
      }),
    );
  });
});

test('so much waits and no more; who was sent away comes back with the same number', async () => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { write, written } = make(() => gate);
  const large = 'l'.repeat(900_000);
  const first = write(large, 'c', 1);
  const full = write(large, 'd', 1);
  expect(await codeOf(full)).toBe('input_full');
  // A shorter one behind it would fit, and would take its place for ever.
  await expect(write('s', 'd', 2)).rejects.toMatchObject({ code: 'input_gap', details: { expected: 1 } });
  release();
  await first;
  expect(await codeOf(write('s', 'd', 2))).toBe('input_gap');
  expect(await write('1', 'd', 1)).toMatchObject({ duplicate: false });
  expect(await write('2', 'd', 2)).toMatchObject({ duplicate: false });
  expect(written()).toBe(`${large}12`);
});

test('no more than so many wait, however short', async () => {
  const { write } = make(() => new Promise(() => undefined));
  const codes: string[] = [];
  for (let n = 0; n < 1100; n += 1) void codeOf(write('k')).then((code) => codes.push(code));
  await expect.poll(() => codes.length).toBe(1100 - 1024);
  expect(new Set(codes)).toEqual(new Set(['input_full']));
});

test('one that is larger than all the room is passed on when it is alone', async () => {
  const { write, written } = make();
  expect(await codeOf(write('l'.repeat(2_000_000)))).toBe('body_too_large');
  expect(written()).toBe('');
});

test('a veto of a command starts nothing; one that runs already is not asked about', async () => {
  const { input, judged } = make(() => Promise.reject(VETO));
  const event = { session: 's', text: 'make', by: 'u' };
  let runs = 0;
  const run = async () => {
    runs += 1;
    return runs;
  };
  expect(await codeOf(input.passRun(event, true, run))).toBe('vetoed');
  expect(runs).toBe(0);
  expect(await input.passRun(event, false, run)).toBe(1);
  expect(judged).toEqual(['make']);
});
