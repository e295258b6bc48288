// What the gateway and the processes that draw screens say to each other.

import type { WireError } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import type { Size } from './emulator.ts';

export interface ScreenJob {
  readonly id: string;
  /** Holds the log of the session, and its checkpoints. */
  readonly dir: string;
  /** As far as it is to be drawn. */
  readonly head: Head;
  readonly oldest: Head;
  /** Of now: for what is not drawn from its beginning. */
  readonly size: Size;
  /** It stops there, wherever that is. */
  readonly withinMs: number;
  /** Bytes of output before the head that are drawn where the whole would take too long; 0: never. */
  readonly tailBytes: number;
}

/** What a terminal shows at one position of a log. */
export interface Drawn {
  readonly position: string;
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
  /** Written to a new terminal of that size it makes it what it was. */
  readonly data: string;
  /** Rows above the screen that are in it. */
  readonly scrollback: number;
  /** The first byte of output that was drawn. */
  readonly drawnFrom: number;
  /** It is what the whole output gives. */
  readonly exact: boolean;
  /** As text, without the blanks at their ends. */
  readonly lines: readonly string[];
  readonly cursor: { readonly row: number; readonly col: number };
  readonly title: string;
  readonly alternate: boolean;
}

export type ToProcess = { readonly t: 'draw'; readonly n: number; readonly job: ScreenJob; readonly answers: boolean };

export type FromProcess =
  | { readonly t: 'drawn'; readonly n: number; readonly drawn: Drawn | undefined; readonly reached: number }
  | { readonly t: 'failed'; readonly n: number; readonly error: WireError };
