export {
  Attachment,
  type AttachmentEvent,
  type AttachOptions,
  type EntryEvent,
  type GapEvent,
  type OutputEvent,
} from './attachment.ts';
export {
  Binnacle,
  type CreatedToken,
  connect,
  type Me,
  type NewToken,
  type Sessions,
  type Ticket,
  type TokenInfo,
  type Tokens,
} from './client.ts';
export type { ClientEvents, ClientState } from './connection.ts';
export type { Helm, HelmChange, HelmEvents, LeaseRequest } from './helm.ts';
export type { ClientOptions, WebSocketClass, WebSocketLike } from './options.ts';
export type { Run, RunFrom, RunOptions } from './run.ts';
export type { RunStream, RunStreamEvent } from './run-stream.ts';
export type { Runs } from './runs.ts';
export type { OutputSlice, ReadOptions, Session, WriteOptions } from './session.ts';
export { type TextPiece, TextReader, textOf } from './text.ts';
export type { Watch, WatchEvent } from './watch.ts';
