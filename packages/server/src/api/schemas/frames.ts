// Schemas of the frames that the gateway sends over its sockets, for the AsyncAPI document. Received frames are
// described by the schemas that parse them. The compiler checks these schemas against the types, and a test checks them
// against a real gateway.

import type { ConversationEvent, ServerBody, TrafficServerMessage } from '@binnacle/protocol';
import { z } from 'zod';
import { ErrorShape } from '../http/answer.ts';
import { ConversationShape, LeaseShape, SessionShape } from './resources.ts';
import type { ServerFrame as SessionFrame } from './session-frames.ts';

const ref = z.int().optional();
const session = z.string();
const conversation = z.string();
const position = z.string();
const time = z.number();
/** Object of an agent or a plugin: names only fields that a reader branches on, because later versions add more. */
const open = z.looseObject;

const Author = z.object({ user: z.string().nullable(), name: z.string() });
const Usage = open({});
const ConversationRun = open({ id: z.string(), state: z.string(), text: z.string() });
const Approval = open({ id: z.string(), run: z.string(), title: z.string(), detail: z.string() });

/** Events of a conversation, in frames and in event streams. */
export const ConversationEventShape = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), at: time, message: open({ id: z.string(), text: z.string() }) }),
  z.object({ type: z.literal('message_edited'), at: time, id: z.string(), text: z.string(), by: Author }),
  z.object({
    type: z.literal('message_cancelled'),
    at: time,
    id: z.string(),
    by: Author,
    why: z.string().optional(),
  }),
  z.object({ type: z.literal('message_delivered'), at: time, id: z.string(), run: z.string() }),
  z.object({ type: z.literal('run_started'), at: time, run: ConversationRun }),
  z.object({ type: z.literal('run_allowed'), at: time, run: z.string() }),
  z.object({
    type: z.literal('delta'),
    at: time,
    run: z.string(),
    stream: z.enum(['said', 'thought']),
    text: z.string(),
    replace: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('tool'), at: time, run: z.string(), tool: open({ id: z.string(), title: z.string() }) }),
  z.object({ type: z.literal('agent'), at: time, run: z.string(), name: z.string(), data: z.unknown() }),
  z.object({
    type: z.literal('silent'),
    at: time,
    run: z.string(),
    silentMs: z.number(),
    waitsFor: open({ kind: z.string() }),
    isLong: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('approval'), at: time, run: z.string(), approval: Approval }),
  z.object({
    type: z.literal('approval_answered'),
    at: time,
    run: z.string(),
    id: z.string(),
    answer: open({ option: z.string(), reason: z.string() }),
  }),
  z.object({
    type: z.literal('final'),
    at: time,
    run: z.string(),
    text: z.string(),
    stopReason: z.string().optional(),
    usage: Usage.optional(),
  }),
  z.object({ type: z.literal('error'), at: time, run: z.string(), text: z.string(), error: ErrorShape }),
  z.object({ type: z.literal('aborted'), at: time, run: z.string(), text: z.string(), via: z.string(), by: Author }),
  z.object({ type: z.literal('note'), at: time, text: z.string(), by: Author }),
  z.object({
    type: z.literal('changed'),
    at: time,
    by: Author,
    title: z.string().optional(),
    visibility: open({ kind: z.string() }).optional(),
  }),
]);

const Snapshot = {
  offset: z.number(),
  position,
  cols: z.number(),
  rows: z.number(),
  data: z.string(),
  scrollback: z.number(),
  drawnFrom: z.number(),
  exact: z.boolean(),
};
/** Contents of the log's entries other than output, by kind. */
export const ENTRIES = {
  input: z.object({
    by: z.string(),
    bytes: z.number(),
    n: z.number().optional(),
    text: z.string().optional(),
  }),
  resize: z.object({ cols: z.number(), rows: z.number() }),
  signal: z.object({ signal: z.string(), by: z.string() }),
  exit: z.object({ exitCode: z.number().nullable(), signal: z.string().nullable(), reason: z.string().optional() }),
  closed: z.object({ reason: z.enum(['eof', 'deleted', 'lost', 'linger']) }),
  event: open({}),
};
const entry = <K extends keyof typeof ENTRIES>(kind: K) =>
  z.object({
    ...{ t: z.literal('entry'), session, kind: z.literal(kind), time, offset: z.number(), position },
    data: ENTRIES[kind],
  });
const Watcher = z.object({ id: z.string(), name: z.string(), isGuest: z.boolean(), maySteer: z.boolean() });
const GapReason = z.enum(['retention', 'damaged']);

/** Frames of /v1/ws. Each has `seq` as well. */
export const ServerFrames = z.union([
  z.object({
    t: z.literal('hello'),
    connection: z.string(),
    version: z.string(),
    protocol: z.int(),
    time,
    scope: z.string(),
    heartbeatMs: z.number(),
  }),
  z.object({ t: z.literal('ok'), ref, result: open({}).optional() }),
  z.object({
    t: z.literal('error'),
    ref,
    session: session.optional(),
    conversation: conversation.optional(),
    error: ErrorShape,
  }),
  z.object({ t: z.literal('subscribed'), ref, session, from: position, info: SessionShape }),
  z.object({ t: z.literal('screen'), session, ...Snapshot }),
  z.object({ t: z.literal('gap'), session, from: z.number(), to: z.number(), reason: GapReason, position }),
  entry('input'),
  entry('resize'),
  entry('signal'),
  entry('exit'),
  entry('closed'),
  entry('event'),
  z.object({ t: z.literal('end'), session, position, info: SessionShape }),
  z.object({
    t: z.literal('lease'),
    session,
    lease: LeaseShape.nullable(),
    yours: z.boolean(),
    lost: ErrorShape.optional(),
  }),
  z.object({ t: z.literal('lease_asked'), session, by: Watcher }),
  z.object({ t: z.literal('lease_given'), session, lease: LeaseShape.extend({ lease: z.string() }), by: z.string() }),
  z.object({
    t: z.literal('watchers'),
    session,
    watchers: z.array(Watcher).readonly(),
    count: z.number(),
    you: z.string(),
  }),
  z.object({ t: z.literal('session'), info: SessionShape }),
  z.object({ t: z.literal('deleted'), session }),
  z.object({ t: z.literal('following'), ref, conversation, from: position, info: ConversationShape }),
  z.object({ t: z.literal('events'), conversation, position, events: z.array(ConversationEventShape).readonly() }),
  z.object({ t: z.literal('events_gap'), conversation, reason: GapReason, position }),
  z.object({ t: z.literal('conversation'), info: ConversationShape }),
  z.object({ t: z.literal('conversation_deleted'), conversation }),
  z.object({
    t: z.literal('notice'),
    notice: z.object({ n: z.number(), at: time, plugin: z.string(), title: z.string(), text: z.string() }),
  }),
  z.object({ t: z.literal('ping'), time }),
  z.object({ t: z.literal('pong'), ref, time, serverTime: time }),
]);

/** Frames of /ws/session/:id. */
export const SessionFrames = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('connected'), session_id: session, mode: z.enum(['pty', 'pipe']) }),
  z.looseObject({ type: z.literal('stdout'), data: z.string() }),
  z.looseObject({ type: z.literal('stderr'), data: z.string() }),
  z.looseObject({ type: z.literal('replay'), offset: z.number(), data: z.string() }),
  z.object({ type: z.literal('exit'), exit_code: z.number() }),
  z.object({
    type: z.literal('error'),
    code: z.string(),
    error: z.string(),
    from: z.number().optional(),
    to: z.number().optional(),
  }),
  z.object({ type: z.literal('ping') }),
  z.object({ type: z.literal('pong') }),
]);

/** JSON frames of /pty/:id/ws; bytes are in binary frames. */
export const PtyFrames = z.discriminatedUnion('type', [
  z.object({
    ...{ type: z.literal('connected'), session_id: session, mode: z.enum(['pty', 'pipe']), running: z.boolean() },
    ...{ epoch: z.string(), cols: z.number(), rows: z.number(), offset: z.number(), oldest_offset: z.number() },
    readonly: z.boolean(),
  }),
  z.object({
    type: z.literal('replay'),
    stream: z.enum(['stdout', 'stderr']),
    offset: z.number(),
    length: z.number(),
  }),
  z.object({ type: z.literal('exit'), exit_code: z.number(), signal: z.string().optional() }),
  z.object({
    type: z.literal('error'),
    code: z.string(),
    error: z.string(),
    from: z.number().optional(),
    to: z.number().optional(),
  }),
  z.object({ type: z.literal('pong') }),
]);

const OfTraffic = { id: z.string(), session_id: z.string(), session };
/** Messages of /ws/pty-traffic. */
export const TrafficMessages = z.discriminatedUnion('type', [
  z.object({ type: z.literal('connected'), connection_id: z.string(), timestamp: time, version: z.string() }),
  z.object({
    type: z.literal('subscribed'),
    id: z.string(),
    filter: open({}),
    sessions: z.number(),
    timestamp: time,
  }),
  z.object({ type: z.literal('unsubscribed'), id: z.string() }),
  z.object({
    type: z.literal('pty_event'),
    id: z.string(),
    event: open({
      ...{ session_id: z.string(), session, source: z.string(), labels: z.record(z.string(), z.string()).readonly() },
      command: z.string().optional(),
      response: z.string().optional(),
      response_base64: z.string().optional(),
      stream: z.enum(['tty', 'stdout', 'stderr']).optional(),
      exit_code: z.number().nullable().optional(),
      signal: z.string().nullable().optional(),
      is_final: z.boolean(),
      lost_bytes: z.number().optional(),
      ...{ timestamp: time, offset: z.number(), position },
    }),
  }),
  z.object({ type: z.literal('gap'), ...OfTraffic, from: z.number(), to: z.number(), position }),
  z.object({ type: z.literal('ping'), timestamp: time }),
  z.object({ type: z.literal('pong'), timestamp: time, server_timestamp: time }),
  z.object({
    type: z.literal('error'),
    id: z.string().optional(),
    session_id: z.string().optional(),
    session: session.optional(),
    error: ErrorShape,
  }),
]);

type NoMissing<Missing extends never> = Missing;
/** Fails to compile if a name in the types is missing in the schemas. */
export type SchemaCoverage = [
  NoMissing<Exclude<ServerBody['t'], z.output<typeof ServerFrames>['t']>>,
  NoMissing<Exclude<SessionFrame['type'], z.output<typeof SessionFrames>['type']>>,
  NoMissing<Exclude<TrafficServerMessage['type'], z.output<typeof TrafficMessages>['type']>>,
  NoMissing<Exclude<ConversationEvent['type'], z.output<typeof ConversationEventShape>['type']>>,
];

const Output = z.object({
  kind: z.enum(['tty', 'stdout', 'stderr']),
  offset: z.number(),
  text: z.string().optional(),
  base64: z.string().optional(),
});
const At = { time, offset: z.number() };
const Gap = z.object({ from: z.number(), to: z.number(), reason: GapReason });
const Run = open({ id: z.string(), state: z.string(), command: z.string() });

/** Parts that several frames and events share. */
export const SHAPES = {
  Session: SessionShape,
  Conversation: ConversationShape,
  ConversationEvent: ConversationEventShape,
  Watcher,
};

/** Server-sent events of a session's output, by name. */
export const OUTPUT_EVENTS = {
  connected: z.object({ session, position, info: SessionShape }),
  output: Output,
  input: ENTRIES.input.extend(At),
  resize: ENTRIES.resize.extend(At),
  signal: ENTRIES.signal.extend(At),
  exit: ENTRIES.exit.extend(At),
  closed: ENTRIES.closed.extend(At),
  event: ENTRIES.event.extend(At),
  gap: Gap,
  error: ErrorShape,
  end: z.object({ info: SessionShape }),
};
/** Events of the stream of one run. */
export const RUN_EVENTS = {
  run: Run,
  output: Output,
  gap: Gap,
  reset: z.object({ exitCode: z.number().nullable() }),
  error: ErrorShape,
  end: z.object({ run: Run }),
};
/** Events of the stream of a conversation. */
export const CONVERSATION_EVENTS = {
  events: z.object({ events: z.array(ConversationEventShape).readonly() }),
  gap: z.object({ reason: GapReason }),
  error: ErrorShape,
};
/** Events after a message is sent: the result of the message, then the events of its run. */
export const MESSAGE_EVENTS = {
  accepted: open({ message: open({ id: z.string() }), duplicate: z.boolean() }),
  ...CONVERSATION_EVENTS,
};
