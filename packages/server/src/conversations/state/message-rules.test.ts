import type { MessageInfo, SteerMode } from '@binnacle/protocol';
import { expect, test } from 'vitest';
import { requireWaiting } from './message-rules.ts';

const by = { user: 'ann', name: 'Ann' };
const made = (id: string, steer: SteerMode = 'queue', state: MessageInfo['state'] = 'queued'): MessageInfo => ({
  id,
  role: 'user',
  text: id,
  by,
  at: 1,
  state,
  steer,
  run: null,
});
test('Only what waits, and is not on its way into a turn, can be changed', () => {
  const queue = [made('a'), made('i', 'inject')];
  expect(requireWaiting(queue, made('a'))).toEqual(made('a'));
  expect(() => requireWaiting(queue, made('i', 'inject'))).toThrow(
    expect.objectContaining({ code: 'message_delivered' }),
  );
  const cancelled = made('g', 'queue', 'cancelled');
  expect(() => requireWaiting(queue, cancelled)).toThrow(expect.objectContaining({ code: 'message_not_found' }));
});
