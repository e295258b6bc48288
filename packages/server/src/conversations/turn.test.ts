import type { ConversationEvent, ConversationKey } from '@binnacle/protocol';
import { describe, expect, test } from 'vitest';
import type { Effect } from './agents/effects.ts';
import { Turn } from './turn.ts';

const RUN = {
  id: 'm1',
  conversation: 'agent:main:x' as ConversationKey,
  agent: 'main',
  state: 'running',
  by: { user: 'admin', name: 'admin' },
  queuedAt: 1,
  startedAt: 1,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
} as const;

const ask = (id: string): Effect => ({
  kind: 'approval',
  request: { id, title: id, detail: '', options: [{ id: 'no', label: 'No', kind: 'deny_once' }] },
});
const delta = (text: string): Effect => ({ kind: 'delta', stream: 'said', text });
const typesOf = (events: readonly ConversationEvent[]): string[] => events.map(({ type }) => type);

/** Applies effects to the turn, and returns the events. */
function eventsOf(turn: Turn, ...effects: Effect[]): readonly ConversationEvent[] {
  const { events, carry } = turn.convert(effects, 2);
  for (const event of events) turn.fold(event);
  turn.keep(carry);
  return events;
}

describe('a turn', () => {
  test('of an agent that asks for too much at once ends, whether it asked in one call or in many', () => {
    const asks = Array.from({ length: 33 }, (_, i) => ask(`a${i}`));
    const atOnce = eventsOf(new Turn(RUN, 1000), delta('hm'), ...asks);
    const turn = new Turn(RUN, 1000);
    const oneByOne = [...eventsOf(turn, delta('hm')), ...asks.flatMap((one) => eventsOf(turn, one))];
    for (const events of [atOnce, oneByOne]) {
      expect(events.filter(({ type }) => type === 'approval')).toHaveLength(32);
      expect(events.filter(({ type }) => type === 'approval_answered')).toHaveLength(32);
      expect(events.at(-1)).toMatchObject({ type: 'error', text: 'hm', error: { code: 'agent_failed' } });
    }
    expect(turn.approvals).toEqual([]);
  });

  test('that says too much ends behind its last word, and nobody needs to answer it any more', () => {
    const turn = new Turn(RUN, 1000);
    eventsOf(turn, delta('before'), ask('a1'));
    const events = eventsOf(turn, delta('x'.repeat(500 * 1024)), delta('never'), ask('a2'));
    expect(typesOf(events).filter((type) => type !== 'delta')).toEqual(['approval_answered', 'error']);
    expect(events.at(-1)).toMatchObject({ type: 'error', text: turn.run.text, error: { code: 'answer_too_large' } });
    expect(turn.run.text.startsWith('beforexxx')).toBe(true);
    expect(turn.isOver).toBe(true);
  });

  test('that is ended from outside ends once, also where half a character was all that was too much', () => {
    const turn = new Turn(RUN, 1000);
    const full = 'x'.repeat(400 * 1024 - 1);
    eventsOf(turn, delta(full), ask('a1'), delta('\ud83d'));
    const events = turn.end({ via: 'run', by: RUN.by }, 3);
    expect(typesOf(events)).toEqual(['approval_answered', 'error']);
    expect(events.at(-1)).toMatchObject({ text: full });
  });

  test('whose first half of a character never gets its second has the sign for it', () => {
    const turn = new Turn(RUN, 1000);
    expect(eventsOf(turn, delta('a\ud83d'))).toMatchObject([{ text: 'a' }]);
    const events = turn.end({ via: 'timeout', by: RUN.by }, 3);
    expect(events).toMatchObject([
      { type: 'delta', text: '\ufffd' },
      { type: 'aborted', text: 'a\ufffd' },
    ]);
  });
});
