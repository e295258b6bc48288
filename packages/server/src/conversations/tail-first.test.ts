// Whatever an agent says, and whatever the pace of a viewer: the deltas are the text of the end, and the end is last.

import {
  type ConversationEvent,
  type ConversationKey,
  type ConversationRun,
  isEndEvent,
  type Position,
  parseEpoch,
} from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Effect } from './agents/effects.ts';
import { EventPacer, type PaceClock } from './state/pace.ts';
import { Turn } from './turn.ts';

const RUN: ConversationRun = {
  id: 'r',
  conversation: 'agent:a:b' as ConversationKey,
  agent: 'a',
  state: 'running',
  by: { user: 'u', name: 'u' },
  queuedAt: 0,
  startedAt: 0,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
};
const EPOCH = parseEpoch('0123456789abcdef');
const at = (place: number): Position => ({ epoch: EPOCH, place, offset: 0 });

/** A clock that the test moves. */
class TestClock implements PaceClock {
  #now = 0;
  #timers: { readonly due: number; readonly call: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { due: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.due);
      next.call();
    }
    this.#now = end;
  }
}

/** One viewer: what it was shown, when. */
class PacedViewer {
  readonly frames: { readonly at: number; readonly events: readonly ConversationEvent[]; readonly place: number }[] =
    [];
  readonly pace: EventPacer;
  readonly clock: TestClock;

  constructor(intervalMs: number, clock: TestClock) {
    this.clock = clock;
    this.pace = new EventPacer(intervalMs, clock, (events, position) => {
      this.frames.push({ at: clock.now(), events, place: position.place });
    });
  }

  get events(): readonly ConversationEvent[] {
    return this.frames.flatMap(({ events }) => events);
  }
}

function answerOf(events: readonly ConversationEvent[]): string {
  let answer = '';
  for (const event of events) {
    if (event.type === 'delta' && event.stream === 'said')
      answer = event.replace === true ? event.text : answer + event.text;
  }
  return answer;
}

/** Text as drivers cut it: anywhere, also in the middle of a character, and with halves that never get their other one. */
const pieces = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('\ud83d', '\ude00', '😀', 'a\ud83d', '\ude00b', ' ', '\n\n', ''),
);
const effect: fc.Arbitrary<Effect> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('delta' as const),
      stream: fc.constantFrom('said' as const, 'thought' as const),
      text: pieces,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), text: pieces }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'paragraph' as const }) },
  {
    weight: 2,
    arbitrary: fc.constant({
      kind: 'tool' as const,
      call: { id: 't', title: 'ls', kind: 'execute' as const, status: 'running' as const },
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      kind: 'approval' as const,
      request: {
        id: 'q',
        title: 'May I?',
        detail: '',
        options: [{ id: 'no', label: 'No', kind: 'deny_once' as const }],
      },
    }),
  },
);
const end = fc.oneof(
  fc.record({ kind: fc.constant('done' as const) }),
  fc.record({ kind: fc.constant('done' as const), text: fc.string({ unit: 'binary', maxLength: 20 }) }),
  fc.record({ kind: fc.constant('failed' as const), message: fc.string() }),
  fc.constant({ kind: 'cancelled' as const }),
  fc.constant('aborted' as const),
  fc.constant('died' as const),
);
const step = fc.record({
  effects: fc.array(effect, { maxLength: 4 }),
  waitMs: fc.nat({ max: 120 }),
  isRead: fc.boolean(),
});

/** The log of one run, one entry for each step, and the end. */
function logOf(
  steps: readonly { readonly effects: readonly Effect[] }[],
  how: typeof end extends fc.Arbitrary<infer T> ? T : never,
) {
  const turn = new Turn(RUN, 1000);
  const entries: (readonly ConversationEvent[])[] = [];
  const keep = (events: readonly ConversationEvent[]): void => {
    for (const event of events) turn.fold(event);
    entries.push(events);
  };
  for (const { effects } of steps) {
    const { events, carry } = turn.convert(effects, 0);
    keep(events);
    turn.keep(carry);
  }
  if (how === 'aborted') keep(turn.end({ via: 'run', by: RUN.by }, 0));
  else if (how === 'died') keep(turn.end({ error: { code: 'agent_died', message: '', hint: '', retryable: true } }, 0));
  else keep(turn.convert([{ kind: 'ended', end: how }], 0).events);
  return { entries, turn };
}

describe('tail-first', () => {
  test('the deltas of a run, concatenated, are the text of its end, at every pace and for every end', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        end,
        fc.array(fc.nat({ max: 200 }), { minLength: 1, maxLength: 4 }),
        (steps, how, intervals) => {
          const { entries } = logOf(steps, how);
          const clock = new TestClock();
          const viewers = intervals.map((intervalMs) => new PacedViewer(intervalMs, clock));
          for (const [i, events] of entries.entries()) {
            const { waitMs = 0, isRead = true } = steps[i] ?? {};
            for (const viewer of viewers) {
              if (events.length > 0) viewer.pace.take(events, at(i + 1));
              if (isRead) viewer.pace.caughtUp();
            }
            clock.advance(waitMs);
          }
          const whole = entries.flat();
          const last = whole.at(-1);
          expect(last !== undefined && isEndEvent(last)).toBe(true);
          for (const viewer of viewers) {
            const { events } = viewer;
            const shown = events.at(-1);
            expect(shown).toEqual(last);
            if (shown !== undefined && isEndEvent(shown)) expect(answerOf(events)).toBe(shown.text);
            expect(events.filter(isEndEvent)).toHaveLength(1);
            // No character is broken, neither in one delta nor in the whole.
            for (const event of events) if (event.type === 'delta') expect(event.text.isWellFormed()).toBe(true);
            // What is not text is all there, in order, each behind the same text as in the log.
            const landmarks = (list: readonly ConversationEvent[]) =>
              list.flatMap((event, i) =>
                event.type === 'delta' ? [] : [`${event.type} behind ${answerOf(list.slice(0, i))}`],
              );
            expect(landmarks(events)).toEqual(landmarks(whole));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('what an entry could not keep can be made again: nothing changes before it is folded', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.array(effect, { maxLength: 6 }), (steps, more) => {
        const { turn } = logOf(steps, 'aborted');
        expect(turn.convert(more, 5)).toEqual(turn.convert(more, 5));
      }),
    );
  });
});

describe('pace', () => {
  const delta = (text: string): ConversationEvent => ({ type: 'delta', at: 0, run: 'r', stream: 'said', text });

  test('the first delta comes at once, then at most one in an interval, and a withheld one waits for no other event', () => {
    const clock = new TestClock();
    const viewer = new PacedViewer(50, clock);
    for (let i = 0; i < 100; i += 1) {
      viewer.pace.take([delta(`${i} `)], at(i + 1));
      viewer.pace.caughtUp();
      clock.advance(7);
    }
    expect(viewer.frames[0]?.at).toBe(0);
    const gaps = viewer.frames.slice(1).map((frame, i) => frame.at - (viewer.frames[i]?.at ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...gaps)).toBe(50);
    clock.advance(50);
    expect(answerOf(viewer.events)).toBe(Array.from({ length: 100 }, (_, i) => `${i} `).join(''));
  });

  test('another viewer has another interval', () => {
    const clock = new TestClock();
    const [often, rarely] = [new PacedViewer(10, clock), new PacedViewer(1000, clock)];
    for (let i = 0; i < 100; i += 1) {
      for (const viewer of [often, rarely]) {
        viewer.pace.take([delta('x')], at(i + 1));
        viewer.pace.caughtUp();
      }
      clock.advance(10);
    }
    clock.advance(1000);
    expect(often.frames.length).toBeGreaterThan(90);
    expect(rarely.frames).toHaveLength(2);
    expect(answerOf(rarely.events)).toBe(answerOf(often.events));
  });

  test('who is behind gets what is old in frames as large as they may be, without waiting', () => {
    const clock = new TestClock();
    const viewer = new PacedViewer(50, clock);
    for (let i = 0; i < 2000; i += 1) viewer.pace.take([delta('x'.repeat(100))], at(i + 1));
    viewer.pace.caughtUp();
    expect(answerOf(viewer.events).length).toBeGreaterThan(190_000);
    expect(viewer.frames.length).toBeLessThan(5);
    clock.advance(50);
    expect(answerOf(viewer.events)).toHaveLength(200_000);
  });

  test('the position of a frame is behind all that is in it, so that resuming there repeats and skips nothing', () => {
    const clock = new TestClock();
    const viewer = new PacedViewer(50, clock);
    viewer.pace.take([delta('a')], at(1));
    viewer.pace.caughtUp();
    viewer.pace.take([delta('b')], at(2));
    viewer.pace.take([delta('c')], at(3));
    viewer.pace.caughtUp();
    expect(viewer.frames.map(({ place }) => place)).toEqual([1]);
    clock.advance(50);
    expect(viewer.frames.map(({ place }) => place)).toEqual([1, 3]);
  });
});
