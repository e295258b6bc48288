// The route for messages from channels.

import { BinnacleError, defined } from '@binnacle/protocol';
import type { InboundMessage, InboundReceiver } from '../../conversations/inbound.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { text } from '../schemas/fields.ts';

const Id = z.union([text(512), z.number().int()]);
const Peer = z.strictObject({ kind: z.enum(['direct', 'dm', 'group', 'channel']), id: Id });
/**
 * Prefix of conversation keys. Reserved: `user` and `chat` begin the keys of users' own conversations, and main keys
 * have a name of their own.
 */
const Channel = z
  .string()
  .regex(/^\s*[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\s*$/, '1 to 63 of A-Z a-z 0-9 _ . -')
  .refine((name) => !RESERVED.has(name.trim().toLowerCase()), 'not user, chat, direct or main');
const RESERVED: ReadonlySet<string> = new Set(['user', 'chat', 'direct', 'main']);
const Message = z.strictObject({
  channel: Channel,
  accountId: text(200).optional(),
  peer: Peer.optional(),
  parentPeer: Peer.optional(),
  guildId: Id.optional(),
  teamId: Id.optional(),
  roles: z.array(text(200)).max(1000).optional(),
  text: z.string(),
  id: text(512).min(1).optional(),
  from: text(200).optional(),
  steer: z.enum(['queue', 'inject', 'interrupt']).optional(),
  reply: z.string().max(2000).optional(),
});
const Receipt = z.looseObject({
  conversation: z.string(),
  route: z.looseObject({ agentId: z.string(), sessionKey: z.string(), matchedBy: z.string() }),
  duplicate: z.boolean(),
});

export function inboundRoutes(inbound: InboundReceiver): HttpRoute[] {
  return [
    // A channel's sender can write to every user's conversations.
    route('post', '/v1/inbound', 'create', {
      summary: 'Send a message from a channel. The bindings of the config file choose the agent.',
      description: 'With `reply` the answer is posted there, and tried again until it is taken.',
      body: Message,
      bodyLimit: 2 * 1024 * 1024,
      responses: {
        202: { description: 'The message is stored. The route, and the run that it began.', schema: Receipt },
      },
      handler: async ({ body }) => {
        const { roles, ...rest } = body;
        if (rest.text.trim() === '') throw new BinnacleError('bad_request', { message: 'The message is empty.' });
        const message = defined({ ...rest, memberRoleIds: roles }) as InboundMessage;
        return json(await inbound.receive(message), { status: 202 });
      },
    }),
  ];
}
