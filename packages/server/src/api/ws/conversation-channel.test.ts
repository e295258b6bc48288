import type { ServerBody } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import type { Conversation } from '../../conversations/conversation.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import { ConversationChannel, type ConversationFrame } from './conversation-channel.ts';

const FRAMES: readonly ConversationFrame[] = [
  { t: 'follow', ref: 1, conversation: 'agent:main:x' },
  { t: 'send', ref: 2, conversation: 'agent:main:x', id: 'm1', text: 'hello' },
  { t: 'abort', ref: 3, conversation: 'agent:main:x' },
  { t: 'answer', ref: 4, conversation: 'agent:main:x', approval: 'a', option: 'b' },
];

it.each(FRAMES)(
  'a $t that goes on after its connection has ended leaves no listener and sends nothing',
  async (frame) => {
    const calls: string[] = [];
    let found: (conversation: Conversation) => void = () => undefined;
    const conversations = {
      get: () =>
        new Promise<Conversation>((resolve) => {
          found = resolve;
        }),
      listen: () => {
        calls.push('listen');
        return () => calls.push('unlisten');
      },
      hold: () => () => undefined,
    } as unknown as Conversations;
    const conversation = {
      record: { key: 'agent:main:x', user: 'ada', visibility: { kind: 'private' } },
      log: { head: { place: 0, offset: 0 }, oldest: { place: 0, offset: 0 }, epoch: 'e1' },
      send: () => calls.push('send'),
      abort: () => calls.push('abort'),
      answer: () => calls.push('answer'),
    } as unknown as Conversation;
    const channel = new ConversationChannel({
      conversations,
      viewer: { user: 'ada', scope: 'admin', guest: null, name: 'ada', id: 'x' } as never,
      maxFollows: 8,
      wire: { write: () => calls.push('write') } as never,
      say: (body: ServerBody) => calls.push(body.t) > 0,
      ok: () => calls.push('ok'),
      refuse: () => calls.push('refuse'),
    });
    const working = channel.handle(frame);
    channel.stop();
    found(conversation);
    await expect(working).rejects.toMatchObject({ code: 'connection_lost' });
    expect(calls).toEqual([]);
  },
);
