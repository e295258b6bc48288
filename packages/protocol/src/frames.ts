// The JSON frames of /v1/ws, and the parser for those that a server sends.

import type { WireError } from './codes.ts';
import { BinnacleError } from './codes.ts';
import type { AbortReceipt, ConversationEvent, ConversationInfo, SendReceipt, SteerMode } from './conversation.ts';
import type { EntryData } from './entry.ts';
import type { PluginNotice } from './notices.ts';
import type { InputReceipt, Lease, LeaseAction, LeaseInfo, Scope, SessionInfo, Watcher } from './session.ts';

/** Where a subscription begins. A string is a position. `tail`: that many output bytes before the head. */
export type From = string | { readonly offset: number } | { readonly tail: number } | 'start' | 'now';

/** What the terminal of a session shows now, and then all that follows it. */
export interface FromScreen {
  readonly screen: true;
  /** What it showed at that output offset. Default: now. */
  readonly at?: number;
}

/** Client frames. `ref`, where given, comes back in the answer (`ok` or `error`). */
export type ClientFrame =
  | { readonly t: 'subscribe'; readonly ref?: number; readonly session: string; readonly from?: From | FromScreen }
  | { readonly t: 'unsubscribe'; readonly ref?: number; readonly session: string }
  /** Tell this connection about every change of any session's state. */
  | { readonly t: 'watch'; readonly ref?: number; readonly on: boolean }
  /**
   * `text` is sent as UTF-8, `base64` as bytes. `client` and `n` (1, 2, 3 …) make it idempotent.
   * `auto`: the terminal answered by itself (DA, DSR, colours); dropped unless this connection holds the lease.
   */
  | {
      readonly t: 'input';
      readonly ref?: number;
      readonly session: string;
      readonly text?: string;
      readonly base64?: string;
      readonly client?: string;
      readonly n?: number;
      readonly lease?: string;
      readonly auto?: boolean;
    }
  | { readonly t: 'close_stdin'; readonly ref?: number; readonly session: string; readonly lease?: string }
  | {
      readonly t: 'signal';
      readonly ref?: number;
      readonly session: string;
      readonly signal: string;
      readonly lease?: string;
    }
  | {
      readonly t: 'resize';
      readonly ref?: number;
      readonly session: string;
      readonly cols: number;
      readonly rows: number;
      readonly lease?: string;
    }
  | {
      readonly t: 'lease';
      readonly ref?: number;
      readonly session: string;
      readonly action: LeaseAction;
      readonly lease?: string;
      readonly holder?: string;
      readonly ttlMs?: number;
      /** Another name of `ttlMs`. */
      readonly autoReleaseAfterMs?: number;
      /** Of `hand_over`: the `id` of a watcher. */
      readonly to?: string;
    }
  /** Tell this connection who else follows a session that it follows. */
  | { readonly t: 'watch_watchers'; readonly ref?: number; readonly session: string; readonly on: boolean }
  /** The events of a conversation from a position on (default: `now`). `deltaIntervalMs`: 0 to 10 000, default 50. */
  | {
      readonly t: 'follow';
      readonly ref?: number;
      readonly conversation: string;
      readonly from?: string;
      readonly deltaIntervalMs?: number;
    }
  | { readonly t: 'unfollow'; readonly ref?: number; readonly conversation: string }
  /**
   * Tell this connection about every change of any conversation that its user may see; with `runs`, follow the runs that
   * the same user starts, on whatever connection, and those that no user started.
   */
  | {
      readonly t: 'watch_conversations';
      readonly ref?: number;
      readonly on: boolean;
      readonly runs?: boolean;
      readonly deltaIntervalMs?: number;
    }
  /** Tell this connection what plugins tell people from now on. */
  | { readonly t: 'watch_notices'; readonly ref?: number; readonly on: boolean }
  /** What somebody has before their eyes just now, on this connection: of that they are not notified. Neither: nothing. */
  | { readonly t: 'look'; readonly ref?: number; readonly session?: string; readonly conversation?: string }
  /** As POST /v1/conversations/:key/messages. This connection gets the events of the run, until its end. */
  | {
      readonly t: 'send';
      readonly ref?: number;
      readonly conversation: string;
      readonly id: string;
      readonly text: string;
      readonly steer?: SteerMode;
      readonly timeoutMs?: number;
      readonly lease?: string;
      readonly deltaIntervalMs?: number;
    }
  /** Without `run`: what runs and what waits. */
  | { readonly t: 'abort'; readonly ref?: number; readonly conversation: string; readonly run?: string }
  | {
      readonly t: 'answer';
      readonly ref?: number;
      readonly conversation: string;
      readonly approval: string;
      readonly option: string;
    }
  | { readonly t: 'ping'; readonly ref?: number; readonly time: number }
  /** Answers the server's ping: `time` is copied from it, `clientTime` is the client's clock in ms. */
  | { readonly t: 'pong'; readonly time: number; readonly clientTime?: number };

/**
 * Server frames. `seq` numbers every frame of this connection from 1, the binary ones included; those do not
 * carry it, so a client that counts can check itself at the next JSON frame.
 */
export type ServerFrame = { readonly seq: number } & ServerBody;

export type ServerBody =
  | {
      readonly t: 'hello';
      readonly connection: string;
      readonly version: string;
      readonly protocol: number;
      readonly time: number;
      readonly scope: Scope;
      /** Milliseconds between the server's pings; without a sign of life for three of them it closes. */
      readonly heartbeatMs: number;
    }
  | { readonly t: 'ok'; readonly ref?: number; readonly result?: OkResult }
  | {
      readonly t: 'error';
      readonly ref?: number;
      readonly session?: string;
      readonly conversation?: string;
      readonly error: WireError;
    }
  | {
      readonly t: 'subscribed';
      readonly ref?: number;
      readonly session: string;
      readonly from: string;
      readonly info: SessionInfo;
    }
  /** Behind `subscribed`, where a subscription began with `{screen: true}`: output goes on at its position. */
  | ({ readonly t: 'screen'; readonly session: string } & ScreenSnapshot)
  /** Output bytes `from` up to `to` cannot be delivered; reading goes on at `position`. */
  | {
      readonly t: 'gap';
      readonly session: string;
      readonly from: number;
      readonly to: number;
      readonly reason: 'retention' | 'damaged';
      readonly position: string;
    }
  | EntryFrame
  /** The subscription reached the log's end and is over. Comes after the last byte, always. */
  | { readonly t: 'end'; readonly session: string; readonly position: string; readonly info: SessionInfo }
  /** The helm changed hands. `lost`, to who held it: why not any more (`taken_over`, `lease_lost`, `session_exited`). */
  | {
      readonly t: 'lease';
      readonly session: string;
      readonly lease: LeaseInfo | null;
      readonly yours: boolean;
      readonly lost?: WireError;
    }
  /** To who holds the helm: somebody would like it. */
  | { readonly t: 'lease_asked'; readonly session: string; readonly by: Watcher }
  /** To who was handed the helm: it is theirs. */
  | { readonly t: 'lease_given'; readonly session: string; readonly lease: Lease; readonly by: string }
  /** Who follows the session, this connection among them (`you`). At most 100 by name; `count`: all. */
  | {
      readonly t: 'watchers';
      readonly session: string;
      readonly watchers: readonly Watcher[];
      readonly count: number;
      readonly you: string;
    }
  | { readonly t: 'session'; readonly info: SessionInfo }
  | { readonly t: 'deleted'; readonly session: string }
  | {
      readonly t: 'following';
      readonly ref?: number;
      readonly conversation: string;
      readonly from: string;
      readonly info: ConversationInfo;
    }
  /** In the order of the log; `position` is behind the last of them. Adjacent deltas may have been joined. */
  | {
      readonly t: 'events';
      readonly conversation: string;
      readonly position: string;
      readonly events: readonly ConversationEvent[];
    }
  /** Events before `position` are not kept any more, or are damaged; reading goes on there. */
  | {
      readonly t: 'events_gap';
      readonly conversation: string;
      readonly reason: 'retention' | 'damaged';
      readonly position: string;
    }
  | { readonly t: 'conversation'; readonly info: ConversationInfo }
  | { readonly t: 'conversation_deleted'; readonly conversation: string }
  | { readonly t: 'notice'; readonly notice: PluginNotice }
  | { readonly t: 'ping'; readonly time: number }
  | { readonly t: 'pong'; readonly ref?: number; readonly time: number; readonly serverTime: number };

/** What a terminal shows at one position of its log. */
export interface ScreenSnapshot {
  /** Output bytes before it. */
  readonly offset: number;
  readonly position: string;
  readonly cols: number;
  readonly rows: number;
  /** Written to a terminal of that size it makes it what it was: rows, colours, cursor, modes, both buffers. */
  readonly data: string;
  /** Rows above the screen that are in `data`; what is older is in the log. */
  readonly scrollback: number;
  /** The first byte of output that it was drawn from. */
  readonly drawnFrom: number;
  /** It is what all output up to there gives. False where only the end of it could be drawn in time, or some is gone. */
  readonly exact: boolean;
}

/** A snapshot, and what a terminal makes of it. */
export interface ShownScreen extends ScreenSnapshot {
  /** Its rows as text, without the blanks at their ends. */
  readonly lines: readonly string[];
  /** From 0. */
  readonly cursor: { readonly row: number; readonly col: number };
  readonly title: string;
  /** The screen of a full-screen program, which has no rows above it. */
  readonly alternate: boolean;
  /** The program asked for the other form of the arrow keys (DECCKM). */
  readonly applicationKeys: boolean;
}

export type OkResult = InputReceipt | Lease | LeaseInfo | { readonly released: true } | SendReceipt | AbortReceipt;

/** An entry that is not output. `time`: ms since 1970. `offset`: output bytes before it. `position`: behind it. */
export type EntryFrame = {
  readonly [K in keyof EntryData]: {
    readonly t: 'entry';
    readonly session: string;
    readonly kind: K;
    readonly time: number;
    readonly offset: number;
    readonly position: string;
    readonly data: EntryData[K];
  };
}[keyof EntryData];

/** Reads a server frame. A client trusts its server for the fields; this only guards against what is no frame. */
export function parseServerFrame(text: string): ServerFrame {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && 't' in value && 'seq' in value && typeof value.t === 'string') {
    return value as ServerFrame;
  }
  throw new BinnacleError('protocol_error');
}
