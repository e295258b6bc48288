// What plugins can ask of the gateway: by the name of a method, who does it.

import type { Gate } from './grant/gate.ts';

/** Who asks. */
export interface Asking {
  readonly plugin: string;
  /** What is asked goes through it first, and what it returns is what is done. */
  readonly gate: Gate;
  /** Aborted when nobody waits for the answer any more: its deadline is over, or the process has ended. */
  readonly signal: AbortSignal;
}

/** Takes what came over the wire, as it is. Throws BinnacleError. Returns plain data, below 1 MiB as JSON. */
export type Power = (params: unknown, asking: Asking) => Promise<unknown> | unknown;

export type Powers = Readonly<Record<string, Power>>;
