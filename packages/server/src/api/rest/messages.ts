// The REST routes of messages, runs and events of a conversation: parse, delegate, respond or stream.

import type { ServerResponse } from 'node:http';
import {
  type ConversationEvent,
  type ConversationRun,
  defined,
  type Position,
  parsePosition,
} from '@binnacle/protocol';
import type { Principal } from '../../access/principal.ts';
import { MAX_TIMER_MS } from '../../base/timer.ts';
import type { Conversation } from '../../conversations/conversation.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import { assertMaySend, authorOf, mayManage } from '../../conversations/state/audience.ts';
import { DELTA_INTERVAL_MS } from '../../conversations/state/pace.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { type HttpRoute, json, route, TAKEN_OVER, z } from '../http/routes.ts';
import { EventHeaders, Flag, LeaseHeader, WaitMs, wantsEvents } from '../schemas/fields.ts';
import { CONVERSATION_EVENTS, MESSAGE_EVENTS } from '../schemas/frames.ts';
import { ConversationFeed, conversationHead, runOfReceipt } from '../stream/conversation-feed.ts';
import { EventStream, SSE } from '../stream/event-stream.ts';
import type { Liveness } from '../stream/liveness.ts';
import { waitFor } from '../stream/wait.ts';
import { OfConversation, PageShape } from './conversations.ts';

const MessageId = z.string().max(100);
const OfMessage = OfConversation.extend({ id: MessageId });
const OfRun = OfConversation.extend({ run: MessageId });
const Interval = z
  .string()
  .regex(/^\d{1,5}$/, 'milliseconds, a whole number')
  .transform((ms) => Math.min(Number(ms), 10_000));

/** Maximum bytes of a body: a message of 256 KiB with every character escaped. */
const BODY_LIMIT = 2 * 1024 * 1024;

const NewMessage = z.strictObject({
  id: MessageId.optional(),
  text: z.string(),
  steer: z.enum(['queue', 'inject', 'interrupt']).optional(),
  timeoutMs: z.number().int().min(0).max(MAX_TIMER_MS).optional(),
});
const Message = z
  .looseObject({ id: z.string(), role: z.string(), text: z.string(), state: z.string() })
  .openapi('Message');
const Run = z.looseObject({ id: z.string(), state: z.string(), text: z.string() }).openapi('ConversationRun');
const Receipt = z
  .object({ message: Message, run: Run.nullable(), duplicate: z.boolean(), aborted: z.array(z.string()).optional() })
  .openapi('SendReceipt');

export const messageRoutes = (conversations: Conversations, liveness: Liveness): HttpRoute[] => [
  ...queueRoutes(conversations, liveness),
  ...runAndEventRoutes(conversations, liveness),
];

function queueRoutes(conversations: Conversations, liveness: Liveness): HttpRoute[] {
  return [
    route('post', '/v1/conversations/:key/messages', 'input', {
      summary:
        'Send a message. The reply comes as server-sent events (Accept: text/event-stream), or by GET of the run.',
      params: OfConversation,
      query: z.strictObject({
        wait: WaitMs.optional(),
        format: z.enum(['json', 'sse']).optional(),
        deltaIntervalMs: Interval.optional(),
      }),
      headers: z.object({ ...LeaseHeader, accept: EventHeaders.accept }),
      body: NewMessage,
      bodyLimit: BODY_LIMIT,
      events: MESSAGE_EVENTS,
      responses: {
        202: { description: 'The message is stored. With ?wait=, the run if it ended in that time.', schema: Receipt },
      },
      handler: async ({ params, query, headers, body, principal, signal, takeOver }) => {
        const conversation = await conversations.get(params.key, principal);
        assertMaySend(principal, body);
        const head = conversationHead(conversation);
        const receipt = conversation.send(defined(body), authorOf(principal), headers['binnacle-lease']);
        const run = runOfReceipt(receipt, conversation);
        if (run !== null && wantsEvents(query.format, headers.accept)) {
          const at = receipt.duplicate && run.position !== null ? parsePosition(run.position) : head;
          const events = { at, intervalMs: query.deltaIntervalMs, runs: [run.id], follow: true, first: receipt };
          await stream({ conversations, liveness, principal }, conversation, takeOver(), events);
          return TAKEN_OVER;
        }
        if (run === null || query.wait === undefined) return json(receipt, { status: 202 });
        const read = () => {
          const message = conversation.message(receipt.message.id);
          // A message cancelled during the wait has no run.
          return { ...receipt, message, run: message.state === 'cancelled' ? null : conversation.findRun(run.id) };
        };
        const parts = { conversations, conversation, principal, run: run.id, read };
        return json(await waitForRunEnd(parts, query.wait, signal), { status: 202 });
      },
    }),
    route('get', '/v1/conversations/:key/messages', 'view', {
      summary: 'List messages, newest page first, oldest message first within a page.',
      params: OfConversation,
      query: z.strictObject({ before: z.string().max(20).optional(), limit: PageShape.limit }),
      responses: {
        200: {
          description: 'Pass `before` back for earlier messages.',
          schema: z.object({ messages: z.array(Message), before: z.string().nullable() }),
        },
      },
      handler: async ({ params, query, principal }) =>
        json((await conversations.get(params.key, principal)).history(query)),
    }),
    route('get', '/v1/conversations/:key/messages/:id', 'view', {
      summary: 'Show one message: whether it waits, and its run.',
      params: OfMessage,
      responses: { 200: { description: 'The message.', schema: Message } },
      handler: async ({ params, principal }) =>
        json((await conversations.get(params.key, principal)).message(params.id)),
    }),
    route('patch', '/v1/conversations/:key/messages/:id', 'input', {
      summary: 'Change the text of a waiting message. Only for its sender and the owner.',
      params: OfMessage,
      headers: z.object(LeaseHeader),
      body: z.strictObject({ text: z.string() }),
      bodyLimit: BODY_LIMIT,
      responses: { 200: { description: 'The changed message.', schema: Message } },
      handler: async ({ params, body, headers, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        const right = { hasManageRight: mayManage(conversation.record, principal), lease: headers['binnacle-lease'] };
        return json(conversation.edit(params.id, body.text, authorOf(principal), right));
      },
    }),
    route('delete', '/v1/conversations/:key/messages/:id', 'input', {
      summary: 'Cancel a waiting message.',
      params: OfMessage,
      responses: { 200: { description: 'The message is cancelled.', schema: Message } },
      handler: async ({ params, principal }) =>
        json((await conversations.get(params.key, principal)).cancel(params.id, authorOf(principal))),
    }),
  ];
}

function runAndEventRoutes(conversations: Conversations, liveness: Liveness): HttpRoute[] {
  return [
    route('get', '/v1/conversations/:key/runs/:run', 'view', {
      summary: 'Show one run, with ?wait= once it has ended.',
      params: OfRun,
      query: z.strictObject({ wait: WaitMs.optional() }),
      responses: { 200: { description: 'The run.', schema: Run } },
      handler: async ({ params, query, principal, signal }) => {
        const conversation = await conversations.get(params.key, principal);
        const read = () => conversation.findRun(params.run);
        const parts = { conversations, conversation, principal, run: params.run, read };
        return json(await waitForRunEnd(parts, query.wait ?? 0, signal));
      },
    }),
    route('delete', '/v1/conversations/:key/runs/:run', 'input', {
      summary: 'Abort one run, or cancel the message that would begin it.',
      params: OfRun,
      responses: {
        200: {
          description: 'Ids of the aborted run and the cancelled message.',
          schema: z.object({ aborted: z.array(z.string()) }),
        },
      },
      handler: async ({ params, principal }) => {
        const conversation = await conversations.get(params.key, principal);
        return json({ aborted: conversation.abort(params.run, 'run', authorOf(principal)) });
      },
    }),
    route('get', '/v1/conversations/:key/events', 'view', {
      summary: 'Stream events of a conversation from a position (default: the oldest) as server-sent events.',
      params: OfConversation,
      query: z.strictObject({
        position: z.string().max(64).optional(),
        run: MessageId.optional(),
        deltaIntervalMs: Interval.optional(),
        follow: Flag.optional(),
      }),
      headers: z.object(EventHeaders),
      events: CONVERSATION_EVENTS,
      responses: { 200: { description: '`id` is the position behind each.', type: 'text/event-stream' } },
      handler: async ({ params, query, headers, principal, takeOver }) => {
        const conversation = await conversations.get(params.key, principal);
        const { run, follow = true, deltaIntervalMs } = query;
        const resumeAt = headers['last-event-id'] || query.position;
        const begin = run === undefined ? 'start' : (conversation.findRun(run).position ?? 'start');
        const at = await positionOf(conversation.log, resumeAt ?? begin);
        // Reading the log takes time, in which the viewer may lose access.
        await conversations.get(params.key, principal);
        const events = { at, intervalMs: deltaIntervalMs, follow, ...(run === undefined ? {} : { runs: [run] }) };
        await stream({ conversations, liveness, principal }, conversation, takeOver(), events);
        return TAKEN_OVER;
      },
    }),
  ];
}

interface EventStreamOptions {
  readonly at: Position;
  readonly intervalMs: number | undefined;
  /** Ends after the last of these runs. Default: everything, without an end. */
  readonly runs?: readonly string[];
  /** False: ends at the current head. */
  readonly follow: boolean;
  /** Sent before the events. */
  readonly first?: object;
}

/** Streams the events. Resolves when the stream is closed, for whatever reason. */
async function stream(
  parts: { readonly conversations: Conversations; readonly liveness: Liveness; readonly principal: Principal },
  conversation: Conversation,
  response: ServerResponse,
  { at, intervalMs = DELTA_INTERVAL_MS, runs, follow, first }: EventStreamOptions,
): Promise<void> {
  const { conversations, liveness, principal } = parts;
  const body = new EventStream(response, liveness);
  if (first !== undefined) body.event('accepted', at, first);
  // True if all runs have ended: no further event of them follows the current head.
  const areOver = (): boolean => runs?.every((run) => isKnownOver(conversation, run)) === true;
  let isLast = areOver();
  const feed: ConversationFeed = new ConversationFeed({
    conversation,
    at,
    intervalMs: follow ? intervalMs : 0,
    ...defined({ runs }),
    wire: body,
    format: {
      events: (events, behind) => SSE.text('events', behind, { events }),
      gap: (reason, next) => {
        isLast = areOver();
        return SSE.text('gap', next, { reason });
      },
    },
    isLast: () => !follow || isLast,
    over: (error) => {
      if (error === undefined) body.finish();
      else body.fail(error, feed.position);
    },
  });
  const release = conversations.hold(conversation);
  const unwatch = conversations.onLoss(conversation, principal, (why) => body.fail(why, feed.position));
  await body.send(feed);
  unwatch();
  release();
}

/** Returns the result of `read` when the run has ended, or after `waitMs`. */
async function waitForRunEnd<T>(
  parts: {
    readonly conversations: Conversations;
    readonly conversation: Conversation;
    readonly principal: Principal;
    readonly run: string;
    read(): T;
  },
  waitMs: number,
  signal: AbortSignal,
): Promise<T> {
  const { conversations, conversation, principal, run } = parts;
  const isReached = (): boolean => waitMs === 0 || isOver(conversation.findRun(run));
  if (isReached()) return parts.read();
  await waitFor(
    // The listener decides: a cancelled message has no run whose state could be read.
    () => false,
    ({ finish, fail }) => [
      conversations.hold(conversation),
      // A caller that loses access during the wait gets an error instead of the result.
      conversations.onLoss(conversation, principal, fail),
      conversations.listen({
        changed: (other, events) => {
          if (other === conversation && events.some((event) => isEndOf(event, run))) finish();
        },
      }),
    ],
    { timeoutMs: waitMs, signal },
  );
  return parts.read();
}

const isOver = ({ state }: ConversationRun): boolean => state !== 'running' && state !== 'queued';

function isKnownOver(conversation: Conversation, run: string): boolean {
  try {
    return isOver(conversation.findRun(run));
  } catch {
    return true; // The message was cancelled before its run began.
  }
}

/** Returns true if the event ends the run, or cancels its message before the run began. */
const isEndOf = (event: ConversationEvent, run: string): boolean =>
  ((event.type === 'final' || event.type === 'error' || event.type === 'aborted') && event.run === run) ||
  (event.type === 'message_cancelled' && event.id === run);
