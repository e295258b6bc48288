// What the gateway and the processes that draw screens say to each other.

import type { ShownScreen, WireError } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import type { Size } from './emulator.ts';

export interface ScreenJob {
  readonly id: string;
  /** Holds the log of the session, and its checkpoints. */
  readonly dir: string;
  /** As far as it can be drawn. */
  readonly head: Head;
  /** Output offset that it is to be drawn at; default: the head's. All that happened before that byte is in it. */
  readonly at?: number;
  readonly oldest: Head;
  /** Of now: for what is not drawn from its beginning. */
  readonly size: Size;
  /** At `oldest`. Default: `size`. */
  readonly begin?: Size;
  /** It stops there, wherever that is. */
  readonly withinMs: number;
  /** Bytes of output before the head that are drawn where the whole would take too long; 0: never. */
  readonly tailBytes: number;
}

export type Drawn = ShownScreen;

export type ToProcess = { readonly t: 'draw'; readonly n: number; readonly job: ScreenJob; readonly answers: boolean };

export type FromProcess =
  | { readonly t: 'drawn'; readonly n: number; readonly drawn: Drawn | undefined; readonly reached: number }
  | { readonly t: 'failed'; readonly n: number; readonly error: WireError };
