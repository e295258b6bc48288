// What became of the events of one emitter, in numbers. `offered` is the sum of those below it.

export interface EmitStats {
  /** Events that the program gave us. Outputs that were joined into one event count once. */
  readonly offered: number;
  /** Stored, and known to be. */
  readonly stored: number;
  /** Stored before, by a request whose answer was lost. */
  readonly duplicates: number;
  /** Given up: the gateway refused their session for good. */
  readonly refused: number;
  /** There was no room for them. */
  readonly dropped: number;
  /** Not delivered yet, those left by earlier processes included. */
  readonly buffered: number;

  readonly bufferedBytes: number;
  readonly bufferedSessions: number;
  /** Events that went out at least once. */
  readonly sent: number;
  /** Requests that had to be sent again. */
  readonly retries: number;
  /** Output that will not arrive: no room, refused, or damaged on disk. */
  readonly lostBytes: number;
  /** Events that an earlier process had left on disk; part of `offered`. */
  readonly adopted: number;
}

/** What is left, for a person at the end. */
export interface Undelivered {
  readonly events: number;
  /** Of output. */
  readonly bytes: number;
  /** They are on disk, for the next process that uses the directory. */
  readonly isKept: boolean;
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
