// The JSON frames of /v1/ws, and the parser for those of the server.

import type { WireError } from './codes.ts';
import { BinnacleError } from './codes.ts';
import type { AbortReceipt, ConversationEvent, ConversationInfo, SendReceipt, SteerMode } from './conversation.ts';
import type { EntryData } from './entry.ts';
import type { PluginNotice } from './plugins.ts';
import type { InputReceipt, Lease, LeaseAction, LeaseInfo, Scope, SessionInfo, Watcher } from './session.ts';

/** Start of a subscription: a position, an output offset, `tail` output bytes before the end, the start, or now. */
export type StartPosition = string | { readonly offset: number } | { readonly tail: number } | 'start' | 'now';

/** Begins with what the terminal shows. */
export interface StartScreen {
  /** Always true. */
  readonly screen: true;
  /** Output offset at which to show the terminal. Default: now. */
  readonly at?: number;
}

/** Frames of a client. `ref` comes back in the answer (`ok` or `error`). */
export type ClientFrame =
  | {
      readonly t: 'subscribe';
      readonly ref?: number;
      readonly session: string;
      readonly from?: StartPosition | StartScreen;
    }
  | { readonly t: 'unsubscribe'; readonly ref?: number; readonly session: string }
  /** Requests every change of any session's state. */
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
      /** For `hand_over`: the `id` of a watcher. */
      readonly to?: string;
    }
  /** Requests presence in a session that this connection follows. */
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
   * Report every change of any conversation that the user may see to this connection. With `runs`, also follow the runs
   * that the same user starts on any connection, and those that no user started.
   */
  | {
      readonly t: 'watch_conversations';
      readonly ref?: number;
      readonly on: boolean;
      readonly runs?: boolean;
      readonly deltaIntervalMs?: number;
    }
  /** Requests notices of plugins from now on. */
  | { readonly t: 'watch_notices'; readonly ref?: number; readonly on: boolean }
  /** Focus of the user on this connection; suppresses notifications about it. Neither: nothing. */
  | { readonly t: 'look'; readonly ref?: number; readonly session?: string; readonly conversation?: string }
  /** The same as POST /v1/conversations/:key/messages. This connection gets the events of the run until its end. */
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
  /** Without `run`: the current run and all waiting messages. */
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
 * Frames of the server. `seq` numbers all frames of the connection from 1, binary ones included; those do not carry it,
 * so a client that counts can check itself at the next JSON frame.
 */
export type ServerFrame = { readonly seq: number } & ServerBody;

/** Frames of the server without their number. */
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
  /** The lease changed its holder. `lost`, for the former holder: `taken_over`, `lease_lost` or `session_exited`. */
  | {
      readonly t: 'lease';
      readonly session: string;
      readonly lease: LeaseInfo | null;
      readonly yours: boolean;
      readonly lost?: WireError;
    }
  /** To the holder of the lease: another client asks for it. */
  | { readonly t: 'lease_asked'; readonly session: string; readonly by: Watcher }
  /** To the new holder: the lease was handed over to it. */
  | { readonly t: 'lease_given'; readonly session: string; readonly lease: Lease; readonly by: string }
  /** Clients that follow the session, this one among them (`you`): at most 100 of `count`. */
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

/** Screen of a terminal at one position of its log. */
export interface ScreenSnapshot {
  /** Output bytes before it. */
  readonly offset: number;
  /** Position in the log. */
  readonly position: string;
  /** Columns of the terminal. */
  readonly cols: number;
  /** Rows of the terminal. */
  readonly rows: number;
  /** Escape sequences that restore it in a terminal of that size: rows, colours, cursor, modes, both buffers. */
  readonly data: string;
  /** Rows above the screen that `data` contains; older ones are in the log. */
  readonly scrollback: number;
  /** Output offset of the first byte that it was drawn from. */
  readonly drawnFrom: number;
  /**
   * Whether it results from all output up to there. False if only the end could be drawn in time, or some output is
   * gone.
   */
  readonly exact: boolean;
}

/** A snapshot with its text. */
export interface ShownScreen extends ScreenSnapshot {
  /** Rows as text, without the blanks at their ends. */
  readonly lines: readonly string[];
  /** Row and column of the cursor, from 0. */
  readonly cursor: { readonly row: number; readonly col: number };
  /** Title of the terminal. */
  readonly title: string;
  /** Whether a full-screen program shows its own screen, which has no rows above it. */
  readonly alternate: boolean;
  /** Whether the program has requested the other form of the arrow keys (DECCKM). */
  readonly applicationKeys: boolean;
}

/** Result of a request. */
export type OkResult = InputReceipt | Lease | LeaseInfo | { readonly released: true } | SendReceipt | AbortReceipt;

/**
 * An entry that is not output. `time` is a Unix time in milliseconds, `offset` counts the output bytes before it,
 * `position` is behind it.
 */
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

/** Parses a frame of the server. The fields are trusted; only a text that is no frame throws `protocol_error`. */
export function parseServerFrame(text: string): ServerFrame {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && 't' in value && 'seq' in value && typeof value.t === 'string') {
    return value as ServerFrame;
  }
  throw new BinnacleError('protocol_error');
}
