import type { ConversationEvent, MessageInfo, SteerMode } from '@binnacle/protocol';
import { expect, test } from 'vitest';
import { Inbox } from './inbox.ts';

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
const sent = (id: string, steer: SteerMode = 'queue'): ConversationEvent => ({
  type: 'message',
  at: 1,
  message: made(id, steer),
});

test('Who interrupts comes before those who wait, and behind others who interrupt', () => {
  const inbox = new Inbox([]);
  for (const event of [sent('a'), sent('b'), sent('x', 'interrupt'), sent('y', 'interrupt'), sent('c')])
    inbox.fold(event);
  expect(inbox.messages.map(({ id }) => id)).toEqual(['x', 'y', 'a', 'b', 'c']);
});

test('What was delivered or cancelled does not wait, and a stop text never did', () => {
  const inbox = new Inbox([made('a'), made('b'), made('c')]);
  inbox.fold({ type: 'message_delivered', at: 1, id: 'a', run: 'a' });
  inbox.fold({ type: 'message_cancelled', at: 1, id: 'c', by });
  inbox.fold({ type: 'message', at: 1, message: made('/stop', 'queue', 'cancelled') });
  inbox.fold({ type: 'message_edited', at: 1, id: 'b', text: 'better', by });
  expect(inbox.messages).toEqual([{ ...made('b'), text: 'better' }]);
});

test('Only what waits, and is not on its way into a turn, can be changed', () => {
  const inbox = new Inbox([made('a'), made('i', 'inject')]);
  expect(inbox.requireWaiting(made('a'))).toEqual(made('a'));
  expect(() => inbox.requireWaiting(made('i', 'inject'))).toThrow(
    expect.objectContaining({ code: 'message_delivered' }),
  );
  const cancelled = made('g', 'queue', 'cancelled');
  expect(() => inbox.requireWaiting(cancelled)).toThrow(expect.objectContaining({ code: 'message_not_found' }));
});
