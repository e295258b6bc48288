// The log: append-only entries, one writer, any number of readers. Knows no transport, no process and no file name.

import type { Epoch, Kind, Position } from '@binnacle/protocol';

/** The end of a log, or of the part of it that is meant. */
export interface Head {
  /** Bytes of framed entries since the beginning of the log. */
  readonly place: number;
  /** Output bytes since the beginning of the log. */
  readonly offset: number;
}

/** One entry as it is read. Neighbouring output entries of one kind are handed out as one. */
export interface Entry {
  readonly kind: Kind;
  /** Milliseconds since 1970, fractions allowed. Never used to order anything. */
  readonly time: number;
  /** Output bytes before `bytes`. */
  readonly offset: number;
  /** Place behind this entry. */
  readonly next: number;
  /** `ReaderOptions.headroom` bytes in front of it, in the same ArrayBuffer, are free for one encoder. */
  readonly bytes: Uint8Array;
}

/** What one read gives. Shared by all readers at that position, so whoever encodes it keeps the result here. */
export interface Page {
  readonly from: Position;
  readonly next: Position;
  /** Once these were looked at, their bytes stay as they are for ever. */
  readonly entries: readonly Entry[];
  /** The same to look at between `hold` and `release`: afterwards the memory may be used for another page. */
  readonly heldEntries: readonly Entry[];
  /** To be called in the turn in which the page was handed out. */
  hold(): void;
  /** Once for each `hold`; may be passed on as a function. */
  readonly release: () => void;
  /** Returns what `make` returned the first time it was called for this page with this key. */
  once<T>(key: symbol, make: (page: Page) => T): T;
}

export type Reading =
  | { readonly kind: 'page'; readonly page: Page }
  /** Nothing behind the position yet: `wait` for it. */
  | { readonly kind: 'head' }
  /** Output `from` up to `to` is gone or damaged; reading can go on at `next`. */
  | {
      readonly kind: 'gap';
      readonly reason: 'retention' | 'damaged';
      readonly from: number;
      readonly to: number;
      readonly next: Position;
    };

/**
 * Reads a log from any position. `head` is what this reader knows; it only grows.
 * Throws `wrong_epoch` for a position of another epoch, `offset_ahead` for one behind the head and
 * `bad_position` for one that is not the beginning of an entry.
 */
export interface LogReader {
  readonly epoch: Epoch;
  readonly oldest: Head;
  readonly head: Head;
  /** The entries from `at` on, one page at most. Answers at once when they are warm, else with a promise. */
  read(at: Position): Reading | Promise<Reading>;
  /**
   * Calls back once, when the head is beyond `place`: in this turn if it is already, so that no growth is missed
   * between looking and sleeping. Returns what cancels it.
   */
  wait(place: number, wake: () => void): () => void;
  /**
   * The position of an output offset. Throws `offset_ahead` beyond the head, `gap` (details `oldestOffset`,
   * `headOffset`) before the oldest.
   */
  locate(offset: number): Position | Promise<Position>;
  /** The position of the first entry at or after a time, or the head. */
  locateTime(time: number): Promise<Position>;
}

/** Appends to a log. There is exactly one for a log, in one process. */
export interface LogWriter {
  readonly epoch: Epoch;
  readonly oldest: Head;
  /** Level `accepted`: in the kernel, survives any kill of ours. */
  readonly head: Head;
  /** Level `synced`: on the disk, survives a power loss. */
  readonly synced: Head;
  /**
   * Appends one entry of at most `MAX_ENTRY_BYTES` and returns the head behind it. When it returns, the entry is
   * `accepted`. Throws `disk_full` and leaves the log as it was when there is no room.
   */
  append(kind: Kind, bytes: Uint8Array, time: number): Head;
  /**
   * As `append` for several entries with one write: all of them or none, but for a kill or a power loss in the middle of
   * it, which may leave the first ones. Whoever cannot have that marks the end of what belongs together, and uses `cut`.
   */
  appendAll(entries: readonly NewEntry[], time: number): Head;
  /** Takes back the entries behind `head`, of the last segment: only for what nobody was ever told of. */
  cut(head: Head): void;
  /** Resolves when everything that was appended before the call is `synced`. */
  sync(): Promise<Head>;
  /** Drops whole segments: those beyond `maxBytes` and those whose last entry is older than `olderThan`. */
  trim(rule: RetentionRule): void;
  close(): Promise<void>;
}

export interface NewEntry {
  readonly kind: Kind;
  /** At most `MAX_ENTRY_BYTES`. */
  readonly bytes: Uint8Array;
}

export interface RetentionRule {
  /** Bytes to keep at least, newest first. The maximum that a writer keeps to by itself is `retainBytes` of its options. */
  readonly maxBytes?: number;
  /** Milliseconds since 1970. */
  readonly olderThan?: number;
}

/** Larger output is cut into several entries. One entry must fit in memory many times over. */
export const MAX_ENTRY_BYTES = 1024 * 1024;
