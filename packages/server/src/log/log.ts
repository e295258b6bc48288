// An append-only log: one writer, any number of readers, each at a position of its own.

import type { EntryKind, Epoch, Position } from '@binnacle/protocol';

/** An end of a log, or of a part of a log. */
export interface Head {
  /** Bytes of framed entries before this point, counted from the beginning of the log. */
  readonly place: number;
  /** Bytes of output before this point, counted from the beginning of the log. */
  readonly offset: number;
}

/** One entry as a reader gets it. A reader merges neighbouring output entries of the same kind into one. */
export interface Entry {
  readonly kind: EntryKind;
  /** Milliseconds since 1970, with fractions. Order comes from positions, never from times. */
  readonly time: number;
  /** Offset of the first byte of `bytes` in the output. */
  readonly offset: number;
  /** Place directly after this entry. */
  readonly next: number;
  /** One encoder may use the `ReaderOptions.headroom` bytes before these, in the same ArrayBuffer. */
  readonly bytes: Uint8Array;
}

/** The entries of one read. All readers at one position share the page, so an encoder stores its result here. */
export interface Page {
  readonly from: Position;
  readonly next: Position;
  /** Entries whose bytes never change after the first access to this property. */
  readonly entries: readonly Entry[];
  /** The same entries without that promise: after `release` the memory may serve another page. */
  readonly pinnedEntries: readonly Entry[];
  /** Pins the memory of `pinnedEntries`. Call in the same event-loop turn in which the read returned the page. */
  hold(): void;
  /** Unpins the memory; one call for each `hold`. Needs no `this`. */
  readonly release: () => void;
  /** Calls `make` once per page and key, and returns that result to every later caller. */
  once<T>(key: symbol, make: (page: Page) => T): T;
}

export type Reading =
  | { readonly kind: 'page'; readonly page: Page }
  /** The position is the head of the log. Call `wait` to learn of the next entry. */
  | { readonly kind: 'head' }
  /** Output from offset `from` up to `to` is lost. Reading continues at `next`. */
  | {
      readonly kind: 'gap';
      readonly reason: 'retention' | 'damaged';
      readonly from: number;
      readonly to: number;
      readonly next: Position;
    };

/** Growth that a waiter leaves unread: less than `atLeast` bytes, for at most `maxDelayMs`. */
export interface Pace {
  readonly atLeast: number;
  readonly maxDelayMs: number;
}

export const AT_ONCE: Pace = { atLeast: 1, maxDelayMs: 0 };

/** A pace of time alone, for readers that nobody looks at. */
export const everyMs = (maxDelayMs: number): Pace => ({ atLeast: Number.MAX_SAFE_INTEGER, maxDelayMs });

/**
 * Reads a log from any position. `head` is the newest head that this reader has learned of; it only grows.
 * Throws `wrong_epoch` for a position of another epoch, `offset_ahead` for a position after the head and
 * `bad_position` for a position inside an entry.
 */
export interface LogReader {
  readonly epoch: Epoch;
  readonly oldest: Head;
  readonly head: Head;
  /** Reads at most one page of entries, starting at `at`. Returns cached pages synchronously. */
  read(at: Position): Reading | Promise<Reading>;
  /**
   * Calls `wake` once, when the head is beyond `place` by as much as the pace says; default `AT_ONCE`. Calls
   * synchronously if the head is there already, so that no growth is missed between a read and this call. Returns the
   * function that cancels the wait.
   */
  wait(place: number, wake: () => void, pace?: Pace): () => void;
  /**
   * Finds the position of an output offset. Throws `offset_ahead` beyond the head and `gap` (details
   * `oldestOffset`, `headOffset`) before the oldest output.
   */
  locate(offset: number): Position | Promise<Position>;
  /** Finds the position of the first entry at or after a time, or the head. */
  locateTime(time: number): Promise<Position>;
}

/** Appends to a log. Exactly one process has the writer of a log. */
export interface LogWriter {
  readonly epoch: Epoch;
  readonly oldest: Head;
  /** End of the entries that the kernel has (level `accepted`). They survive a kill of this process. */
  readonly head: Head;
  /** End of the entries that the disk has (level `synced`). They survive a power loss. */
  readonly synced: Head;
  /**
   * Appends one entry of at most `MAX_ENTRY_BYTES` and returns the head after the entry, which is `accepted` by then.
   * Throws `disk_full` without room on the disk; the log is then unchanged.
   */
  append(kind: EntryKind, bytes: Uint8Array, time: number): Head;
  /**
   * Appends several entries by one write: all or none. A kill or a power loss during the write may leave the first
   * entries. A caller that needs all or none even then marks the end of a group, and removes the rest with `cut`.
   */
  appendAll(entries: readonly NewEntry[], time: number): Head;
  /** Removes the entries of the last segment after `head`. Allowed only before any reader has learned of them. */
  cut(head: Head): void;
  /** Resolves when all entries appended before the call are `synced`. */
  sync(): Promise<Head>;
  /** Removes whole segments: those beyond `maxBytes`, and those whose last entry is older than `olderThan`. */
  trim(rule: RetentionRule): void;
  close(): Promise<void>;
}

export interface NewEntry {
  readonly kind: EntryKind;
  /** At most `MAX_ENTRY_BYTES`. */
  readonly bytes: Uint8Array;
}

export interface RetentionRule {
  /** Minimum bytes to retain, newest first. The maximum is `retainBytes` in the writer's options. */
  readonly maxBytes?: number;
  /** Milliseconds since 1970. */
  readonly olderThan?: number;
}

/** Maximum bytes per entry. The writer splits larger output; a process has many entries in memory at once. */
export const MAX_ENTRY_BYTES = 1024 * 1024;
