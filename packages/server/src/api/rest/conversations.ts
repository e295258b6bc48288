// The REST routes of conversations: parse, delegate, respond. conversation/ has the behavior.

import { allows, BinnacleError, type ConversationInfo, defined, type Visibility } from '@binnacle/protocol';
import type { Conversations } from '../../conversations/conversations.ts';
import type { ConversationLease } from '../../conversations/lease.ts';
import { authorOf } from '../../conversations/state/audience.ts';
import { type HttpRoute, json, noContent, route, z } from '../http/routes.ts';
import { LeaseHeader, LeaseTtl, text, ttlOf } from '../schemas/fields.ts';
import { ConversationShape, VisibilityShape } from '../schemas/resources.ts';

export const OfConversation = z.object({ key: z.string().max(512) });
const Limit = z
  .string()
  .regex(/^\d{1,4}$/, 'a whole number')
  .transform(Number);
export const PageShape = { after: z.string().max(100).optional(), limit: Limit.optional() };
const Title = text(200);
const NewConversation = z.strictObject({
  agent: text(64).min(1).optional(),
  name: text(200).min(1).optional(),
  key: z.string().max(1000).optional(),
  title: Title.optional(),
  visibility: VisibilityShape.optional(),
});

const Agent = z
  .object({
    id: z.string(),
    driver: z.string(),
    isDefault: z.boolean(),
    steer: z.array(z.enum(['queue', 'inject', 'interrupt'])),
    approvals: z.boolean(),
  })
  .openapi('Agent');
const Command = z.object({ name: z.string(), description: z.string(), plugin: z.string() }).openapi('Command');
const LeaseBody = z.strictObject({
  action: z.enum(['acquire', 'renew', 'take', 'release']),
  lease: z.string().max(100).optional(),
  holder: text(100).min(1).optional(),
  ...LeaseTtl,
  pid: z.number().int().min(1).optional(),
});
const Answer = z.looseObject({ option: z.string(), reason: z.string() });

export const conversationRoutes = (conversations: Conversations): HttpRoute[] => [
  ...offerRoutes(conversations),
  ...recordRoutes(conversations),
  ...turnRoutes(conversations),
  ...leaseRoutes(conversations),
];

/** Routes that list the recipients of messages: agents, and commands of plugins. */
function offerRoutes(conversations: Conversations): HttpRoute[] {
  return [
    route('get', '/v1/agents', 'view', {
      summary: 'List the agents that accept messages.',
      responses: {
        200: { description: 'The agents in the config file.', schema: z.object({ agents: z.array(Agent) }) },
      },
      handler: () => json({ agents: conversations.agents.list() }),
    }),
    route('get', '/v1/commands', 'view', {
      summary: 'List commands of plugins: a message that begins with /name goes to the plugin.',
      responses: {
        200: { description: 'The commands in force.', schema: z.object({ commands: z.array(Command) }) },
      },
      handler: () => json({ commands: conversations.commands }),
    }),
  ];
}

function recordRoutes(conversations: Conversations): HttpRoute[] {
  return [
    route('post', '/v1/conversations', 'input', {
      summary: 'Create a conversation with an agent. With a name, return the existing one of that name.',
      body: NewConversation,
      responses: {
        201: { description: 'The new conversation.', schema: ConversationShape },
        200: { description: 'The existing conversation.', schema: ConversationShape },
      },
      handler: async ({ body, principal }) => {
        const { conversation, isNew } = await conversations.create(defined(body), principal);
        const info: ConversationInfo = conversations.infoOf(conversation, principal);
        const headers = { Location: `/v1/conversations/${encodeURIComponent(info.key)}` };
        return json(info, { status: isNew ? 201 : 200, headers });
      },
    }),
    route('get', '/v1/conversations', 'view', {
      summary: 'List conversations that the caller may see, last changed first.',
      query: z.strictObject(PageShape),
      responses: {
        200: {
          description: 'One page of conversations.',
          schema: z.object({ conversations: z.array(ConversationShape), next: z.string().nullable() }),
        },
      },
      handler: async ({ query, principal }) => json(await conversations.list(principal, query)),
    }),
    route('get', '/v1/conversations/:key', 'view', {
      summary: 'Show one conversation: current run, waiting messages, approval requests.',
      params: OfConversation,
      responses: { 200: { description: 'The conversation.', schema: ConversationShape } },
      handler: async ({ params, principal }) =>
        json(conversations.infoOf(await conversations.get(params.key, principal), principal)),
    }),
    route('patch', '/v1/conversations/:key', 'input', {
      summary: 'Set the title of a conversation, or change who may see it. Only for its owner.',
      params: OfConversation,
      body: z.strictObject({ title: Title.min(1).optional(), visibility: VisibilityShape.optional() }),
      responses: { 200: { description: 'The conversation.', schema: ConversationShape } },
      handler: async ({ params, body, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        conversations.requireManage(conversation, principal);
        conversation.update(defined(body) as { title?: string; visibility?: Visibility }, authorOf(principal));
        return json(conversations.infoOf(conversation, principal));
      },
    }),
    route('delete', '/v1/conversations/:key', 'input', {
      summary: 'End the run of a conversation, and delete it with all its messages. Only for its owner.',
      params: OfConversation,
      responses: { 204: { description: 'The conversation is deleted.' } },
      handler: async ({ params, principal }) => {
        await conversations.delete(await conversations.get(params.key, principal), principal);
        return noContent();
      },
    }),
  ];
}

function turnRoutes(conversations: Conversations): HttpRoute[] {
  return [
    route('post', '/v1/conversations/:key/abort', 'input', {
      summary: 'Abort the current run, and cancel waiting messages.',
      params: OfConversation,
      responses: {
        200: {
          description: 'Ids of the aborted run and the cancelled messages.',
          schema: z.object({ aborted: z.array(z.string()) }),
        },
      },
      handler: async ({ params, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        return json({ aborted: conversation.abort(undefined, 'conversation', authorOf(principal)) });
      },
    }),
    route('post', '/v1/conversations/:key/approvals/:id', 'input', {
      summary: 'Answer an approval request. The first answer counts.',
      params: OfConversation.extend({ id: z.string().max(500) }),
      body: z.strictObject({ option: z.string().max(200) }),
      responses: { 200: { description: 'The answer is passed to the agent.', schema: z.object({ answer: Answer }) } },
      handler: async ({ params, body, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        return json({ answer: conversation.answer(params.id, body.option, authorOf(principal)) });
      },
    }),
  ];
}

function leaseRoutes(conversations: Conversations): HttpRoute[] {
  return [
    route('get', '/v1/conversations/:key/lease', 'view', {
      summary: 'Show the write lease of a conversation.',
      params: OfConversation,
      responses: {
        200: {
          description: 'The lease. Null if everybody with access may write.',
          schema: z.object({ lease: z.unknown() }),
        },
      },
      handler: async ({ params, principal }) =>
        json({ lease: (await conversations.get(params.key, principal)).lease.info }),
    }),
    route('post', '/v1/conversations/:key/lease', 'input', {
      summary: 'Take, renew or release the write lease of a conversation.',
      params: OfConversation,
      body: LeaseBody,
      responses: { 200: { description: 'The lease, or null after a release.', schema: z.looseObject({}) } },
      handler: async ({ params, body, principal }) => {
        const { lease } = await conversations.get(params.key, principal);
        // A pid reveals which processes exist on the host.
        if (body.pid !== undefined && !allows(principal.scope, 'create')) {
          throw new BinnacleError('forbidden', { message: 'Naming a pid needs the scope "create".' });
        }
        return json(changeLease(lease, body, principal.name));
      },
    }),
    route('post', '/v1/conversations/:key/notes', 'input', {
      summary: 'Add a note to a conversation. The agent does not see it.',
      params: OfConversation,
      headers: z.object(LeaseHeader),
      body: z.strictObject({ text: z.string() }),
      responses: { 204: { description: 'The note is stored.' } },
      handler: async ({ params, body, headers, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        conversation.note(body.text, authorOf(principal), headers['binnacle-lease']);
        return noContent();
      },
    }),
  ];
}

function changeLease(lease: ConversationLease, body: z.output<typeof LeaseBody>, name: string): object {
  const { action, holder = name, pid } = body;
  const ttlMs = ttlOf(body);
  switch (action) {
    case 'acquire':
    case 'take':
      return lease.acquire(holder, defined({ take: action === 'take', ttlMs, pid }));
    case 'renew':
      return lease.renew(body.lease ?? '');
    case 'release':
      lease.release(body.lease ?? '');
      return { released: true };
  }
}
