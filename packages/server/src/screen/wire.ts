// Messages between the gateway and the processes that draw screens.

import type { ShownScreen, WireError } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import type { ScreenSize } from './emulator.ts';

export interface ScreenJob {
  readonly id: string;
  /** Directory of the session's log and checkpoints. */
  readonly dir: string;
  /** Maximum position to draw. */
  readonly head: Head;
  /** Output offset to draw at; default: the head's. The screen contains all that happened before that byte. */
  readonly at?: number;
  readonly oldest: Head;
  /** Current size, for screens that are not drawn from the beginning. */
  readonly size: ScreenSize;
  /** Size at `oldest`. Default: `size`. */
  readonly begin?: ScreenSize;
  /** Time limit, after which the drawing stops wherever it is. */
  readonly withinMs: number;
  /** Bytes of output before the head that are drawn if the whole would take too long; 0: never. */
  readonly tailBytes: number;
}

export type RenderedScreen = ShownScreen;

export type ToProcess = { readonly t: 'draw'; readonly n: number; readonly job: ScreenJob; readonly answers: boolean };

/** `begun`: the process has started and takes the job; its time begins. */
export type FromProcess =
  | { readonly t: 'begun'; readonly n: number }
  | { readonly t: 'drawn'; readonly n: number; readonly drawn: RenderedScreen | undefined; readonly reached: number }
  | { readonly t: 'failed'; readonly n: number; readonly error: WireError };
