import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Deed, RecordingOut } from '../acp/acp.fixture.ts';
import type { LocalTurn } from '../driver.ts';
import { echoDriver } from './echo.ts';

let out: RecordingOut;
let abort: AbortController;
let answers: Map<string, (option: string) => void>;
beforeEach(() => {
  out = new RecordingOut();
  abort = new AbortController();
  answers = new Map();
});
afterEach(() => {
  vi.useRealTimers();
});

function run(text: string): Promise<void> {
  const turn: LocalTurn = {
    ...{ id: 'm1', text, history: [], by: { user: 'u', name: 'u' } },
    tools: { list: () => [], call: () => Promise.reject(new Error('none')) },
    answerOf: (approval) => new Promise((resolve) => answers.set(approval, resolve)),
  };
  return echoDriver.run({ id: 'main', driver: 'echo' }, turn, out, abort.signal);
}
const answerIn = (deeds: readonly Deed[]): string =>
  deeds.map(([what, text]) => (what === 'said' ? text : what === 'paragraph' ? '\n\n' : '')).join('');
const endOf = (): unknown => out.deeds.at(-1);

describe('echo', () => {
  test.each([
    'hello wide world',
    ' two  spaces\n\tand a line \n',
    '',
    '👩‍👩‍👧 a\u0301',
    '/nothing of the kind',
    'x'.repeat(9999),
  ])('repeats a message word by word: %j', async (text) => {
    await run(text);
    expect(answerIn(out.deeds)).toBe(text);
    expect(endOf()).toEqual(['ended', { kind: 'done', text }]);
  });

  test('says a word in each delta, the first ones as well', async () => {
    await run('a b  c');
    expect(out.deeds.slice(0, -1)).toEqual([
      ['said', 'a '],
      ['said', 'b  '],
      ['said', 'c'],
    ]);
  });

  test('says a long text in no more than 500 pieces', async () => {
    const text = 'word '.repeat(50_000);
    await run(text);
    expect(answerIn(out.deeds)).toBe(text);
    expect(out.deeds.length).toBeLessThanOrEqual(501);
  });

  test('says slowly: the first word at once, then one each 100 ms', async () => {
    vi.useFakeTimers();
    const done = run('/slow one two three');
    const seen: number[] = [];
    for (let ms = 0; ms <= 250; ms += 50) {
      seen.push(out.deeds.length);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(seen).toEqual([1, 1, 2, 2, 4, 4]);
    await done;
    expect(endOf()).toEqual(['ended', { kind: 'done', text: 'one two three' }]);
  });

  test('stops at once when it is aborted in the middle', async () => {
    const done = run(`/slow ${'word '.repeat(1000)}`);
    abort.abort();
    await done;
    expect(out.deeds).toEqual([
      ['said', 'word '],
      ['ended', { kind: 'cancelled' }],
    ]);
  });

  test('fails with the reason that it is given', async () => {
    await run('/fail out of luck');
    expect(endOf()).toEqual(['ended', { kind: 'failed', message: 'out of luck' }]);
  });

  test('calls a tool', async () => {
    await run('/tool hi there');
    const call = { id: 'm1-tool', title: 'echo', kind: 'execute', input: { text: 'hi there' } };
    expect(out.deeds.filter(([what]) => what === 'tool')).toEqual([
      ['tool', { ...call, status: 'running' }],
      ['tool', { ...call, status: 'done', output: 'hi there' }],
    ]);
    expect(answerIn(out.deeds)).toBe('I call a tool.\n\nIt said: hi there');
  });

  test.each([
    ['allow', 'done', 'Thank you. You said "allow".'],
    ['always', 'done', 'Thank you. You said "always".'],
    ['deny', 'failed', 'I will not, then. You said "deny".'],
    ['anything else', 'failed', 'I will not, then. You said "anything else".'],
  ])('asks, and does what it is answered: %s', async (option, status, answer) => {
    const done = run('/ask sail away');
    expect(out.deeds.at(-1)).toMatchObject(['approval', { id: 'm1-1', detail: 'sail away' }]);
    answers.get('m1-1')?.(option);
    await done;
    expect(out.deeds.filter(([what]) => what === 'tool').at(-1)).toMatchObject(['tool', { status }]);
    expect(answerIn(out.deeds)).toBe(`May I?\n\n${answer}`);
  });

  test('does not wait for an answer when it is aborted', async () => {
    const done = run('/ask sail away');
    abort.abort();
    await done;
    expect(endOf()).toEqual(['ended', { kind: 'cancelled' }]);
  });

  test('tells what it can', async () => {
    await run('/help');
    expect(answerIn(out.deeds)).toContain('/slow WORDS');
  });
});
