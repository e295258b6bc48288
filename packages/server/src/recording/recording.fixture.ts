// Logs for the tests of writers: entries as a reader hands them out. No part of the product.

import { type EntryKind, isOutput } from '@binnacle/protocol';
import type { Entry } from '../log/log.ts';
import type { CastEvent } from './asciicast-reader.ts';
import { CastReader, type ReadHeader } from './asciicast-reader.ts';
import type { ExportWriter, RecordedSession } from './writer.ts';

export const T0 = 1_700_000_000_000;

export const session: RecordedSession = {
  id: '01a203b4-cda1-79c2-9684-67f57817e98b' as RecordedSession['id'],
  name: 'build',
  mode: 'pty',
  argv: ['make', 'all'],
  cwd: '/src',
  cols: 80,
  rows: 24,
  createdAt: T0,
  foreign: null,
};

export interface WrittenEntry {
  readonly kind: EntryKind;
  readonly body: Uint8Array | string | object;
  /** ms since the beginning. */
  readonly at?: number;
}

/** As a reader without merging hands them out. */
export function entriesOf(all: readonly WrittenEntry[]): Entry[] {
  let offset = 0;
  return all.map(({ kind, body, at = 0 }, i) => {
    const bytes =
      body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const entry = { kind, time: T0 + at, offset, next: i + 1, bytes };
    if (isOutput(kind)) offset += bytes.length;
    return entry;
  });
}

export function written(writer: ExportWriter, all: readonly WrittenEntry[], isOver = true): string {
  return entriesOf(all)
    .map((entry) => writer.entry(entry))
    .concat(writer.end(isOver))
    .join('');
}

/** Reads a file that comes in pieces of these sizes, over and over. */
export function readCast(
  file: string | Uint8Array,
  sizes: readonly number[] = [65_536],
): { readonly header: ReadHeader | undefined; readonly events: CastEvent[]; readonly reader: CastReader } {
  const bytes = Buffer.from(file);
  const reader = new CastReader();
  let header: ReadHeader | undefined;
  const events: CastEvent[] = [];
  const take = (batch: ReturnType<CastReader['push']>): void => {
    header ??= batch.header;
    for (const event of batch.events) events.push(event);
  };
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    take(reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  take(reader.end());
  return { header, events, reader };
}

export const linesOf = (cast: string): unknown[] =>
  cast
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
