/**
 * Start, watch and steer the sessions of a gateway, talk to agents, and read what is stored, from a browser or from Node.
 * Begin with `connect`. In the examples `binnacle` is a client, `session` a `Session` and `conversation` a
 * `Conversation`.
 *
 * @module @binnacle/client
 */

export {
  type Answer,
  type AnswerPart,
  answerOf,
  type ConversationFacts,
  type ConversationItem,
  type ConversationState,
  type ConversationStep,
  type EventBatch,
  emptyConversation,
  reduceConversation,
  withHistory,
  withInfo,
  withoutOldest,
} from '@binnacle/protocol';
export {
  type Authorization,
  Binnacle,
  connect,
  type Me,
  type Sessions,
  type Ticket,
} from './client.ts';
export type { Conversation } from './conversation/conversation.ts';
export type { Conversations } from './conversation/conversations.ts';
export type { ConversationFeed, SubscribeOptions } from './conversation/feed.ts';
export type { ConversationLease } from './conversation/lease.ts';
export { type ConversationOpening, hasReached, openConversation } from './conversation/opening.ts';
export type { Reply, SendOptions } from './conversation/reply.ts';
export { optionKind, optionLabel, visibleLine, visibleText } from './conversation/visible-text.ts';
export type { ConversationChange, ConversationWatch, WatchConversationsOptions } from './conversation/watch.ts';
export type { Focus } from './resources/focus.ts';
export type { NoticeEvent, Notices, NoticeWatch } from './resources/notices.ts';
export type { PluginLogQuery, Plugins } from './resources/plugins.ts';
export type { Muted, Mutes, Push, PushState, PushSubscriptionJson } from './resources/push.ts';
export type {
  ExportOptions,
  ImportedRecording,
  ImportOptions,
  RecordingBody,
  Recordings,
} from './resources/recordings.ts';
export {
  type CreatedShare,
  guestSocket,
  isShareOver,
  type NewShare,
  type RedeemedShare,
  type ShareDetails,
  type SharedResource,
  type ShareInfo,
  type ShareMode,
  type SharePreview,
  type Shares,
  type ShareViewer,
} from './resources/shares.ts';
export type { CreatedToken, IssuedByToken, NewToken, TokenInfo, Tokens } from './resources/tokens.ts';
export type { Run, RunFrom, RunOptions } from './run/run.ts';
export type { Runs } from './run/runs.ts';
export type { RunStream, RunStreamEvent } from './run/stream.ts';
export {
  Attachment,
  type AttachmentEvent,
  type AttachOptions,
  type EntryEvent,
  type GapEvent,
  type OutputEvent,
  type ScreenEvent,
} from './session/attachment.ts';
export type { LeaseRequest } from './session/client-lease.ts';
export type { EntriesOptions, SessionEntry } from './session/entries.ts';
export type { LeaseChange, LeaseEvents, SessionLease } from './session/lease.ts';
export type { Watchers, WatchersChange, WatchersEvents } from './session/presence.ts';
export type {
  OutputSlice,
  ReadOptions,
  ScreenOptions,
  Session,
  TimelineOptions,
  WriteOptions,
} from './session/session.ts';
export { KnownSessions } from './session/session-list.ts';
export { type TextPiece, TextReader, textOf } from './session/text.ts';
export type { Watch, WatchEvent } from './session/watch.ts';
export type { TrafficGap, TrafficStream, WatchTrafficOptions } from './traffic/stream.ts';
export type { MessageSearchOptions, SearchOptions, StatsQuery, Traffic, TrafficQuery } from './traffic/traffic.ts';
export type { ClientEvents, ClientState } from './transport/connection.ts';
export type { ClientOptions, WebSocketClass, WebSocketLike } from './transport/options.ts';
