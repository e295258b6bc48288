export {
  Attachment,
  type AttachmentEvent,
  type AttachOptions,
  type EntryEvent,
  type GapEvent,
  type OutputEvent,
  type ScreenEvent,
} from './attachment.ts';
export {
  type Authorization,
  Binnacle,
  type CreatedToken,
  connect,
  type IssuedByToken,
  type Me,
  type NewToken,
  type Sessions,
  type Ticket,
  type TokenInfo,
  type Tokens,
} from './client.ts';
export type { ClientEvents, ClientState } from './connection.ts';
export type { Conversation } from './conversation.ts';
export type { Answer, AnswerPart } from './conversation-answer.ts';
export type { ConversationFeed, SubscribeOptions } from './conversation-feed.ts';
export type { ConversationLease } from './conversation-lease.ts';
export { type ConversationOpening, hasReached, openConversation } from './conversation-opening.ts';
export type { Reply, SendOptions } from './conversation-reply.ts';
export {
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
} from './conversation-state.ts';
export type { ConversationChange, ConversationWatch, WatchConversationsOptions } from './conversation-watch.ts';
export type { Conversations } from './conversations.ts';
export type { Helm, HelmChange, HelmEvents, LeaseRequest } from './helm.ts';
export { KnownSessions } from './known-sessions.ts';
export type { Looked } from './look.ts';
export type { NoticeEvent, Notices, NoticeWatch } from './notices.ts';
export type { ClientOptions, WebSocketClass, WebSocketLike } from './options.ts';
export type { PluginLogQuery, Plugins } from './plugins.ts';
export type { Muted, Mutes, Push, PushState, PushSubscriptionJson } from './push.ts';
export type { ExportOptions, ImportedRecording, ImportOptions, RecordingBody, Recordings } from './recordings.ts';
export type { Run, RunFrom, RunOptions } from './run.ts';
export type { RunStream, RunStreamEvent } from './run-stream.ts';
export type { Runs } from './runs.ts';
export type { OutputSlice, ReadOptions, ScreenOptions, Session, TimelineOptions, WriteOptions } from './session.ts';
export type { EntriesOptions, SessionEntry } from './session-entries.ts';
export {
  type CreatedShare,
  guestSocket,
  isShareOver,
  type NewShare,
  type RedeemedShare,
  type ShareDetails,
  type Shared,
  type ShareInfo,
  type ShareMode,
  type ShareOutlook,
  type Shares,
  type ShareViewer,
} from './shares.ts';
export { type TextPiece, TextReader, textOf } from './text.ts';
export type { SearchOptions, StatsQuery, Traffic, TrafficQuery } from './traffic.ts';
export type { TrafficGap, TrafficStream, WatchTrafficOptions } from './traffic-stream.ts';
export { optionKind, optionLabel, visibleLine, visibleText } from './visible.ts';
export type { Watch, WatchEvent } from './watch.ts';
export type { Watchers, WatchersChange, WatchersEvents } from './watchers.ts';
