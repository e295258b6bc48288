// What every line of the bench is given.

import type { Payloads } from './payload.ts';
import type { Peers } from './peers.ts';
import type { Row } from './table.ts';

export interface Bench {
  /** Pairs of runs. */
  readonly reps: number;
  /** Smaller payloads and fewer runs: to see that it works, not to be quoted. */
  readonly quick: boolean;
  /** On the disk that is measured. Removed at the end. */
  readonly scratch: string;
  readonly peers: Peers;
  readonly payloads: Payloads;
  /** Progress, on stderr. */
  note(text: string): void;
}

export type Line = (bench: Bench) => Promise<readonly Row[]>;
