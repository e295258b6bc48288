// Counters of one emitter. `offered` is the sum of those below it.

/** Counters of an emitter. */
export interface EmitStats {
  /** Events that the program passed to the emitter. Outputs that were joined into one event count once. */
  readonly offered: number;
  /** Events that the gateway has confirmed. */
  readonly stored: number;
  /** Events that the gateway had stored already, from a request whose answer was lost. */
  readonly duplicates: number;
  /** Events that were given up because the gateway refused their session for good. */
  readonly refused: number;
  /** Events that were dropped because the buffer was full. */
  readonly dropped: number;
  /** Events that wait, including those of earlier processes. */
  readonly buffered: number;

  /** Bytes of the events that wait. */
  readonly bufferedBytes: number;
  /** Sessions with events that wait. */
  readonly bufferedSessions: number;
  /** Events that were sent at least once. */
  readonly sent: number;
  /** Requests that were repeated. */
  readonly retries: number;
  /** Bytes of output that will not arrive: dropped, refused, or damaged on disk. */
  readonly lostBytes: number;
  /** Events that an earlier process had left on disk; part of `offered`. */
  readonly adopted: number;
}

/** Events that are left after `flush` or `close`. */
export interface Backlog {
  /** Number of events. */
  readonly events: number;
  /** Bytes of their output. */
  readonly bytes: number;
  /** Whether they are on disk for the next process that uses the directory. */
  readonly isOnDisk: boolean;
}

export type Tally = {
  -readonly [K in keyof Omit<EmitStats, 'buffered' | 'bufferedBytes' | 'bufferedSessions'>]: number;
};

export const newTally = (): Tally => ({
  offered: 0,
  stored: 0,
  duplicates: 0,
  refused: 0,
  dropped: 0,
  sent: 0,
  retries: 0,
  lostBytes: 0,
  adopted: 0,
});
