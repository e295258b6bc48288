// Characters of which a reader of text has only the first bytes, in streams that share one range of offsets.

import { isOutput, type OutputKind } from '@binnacle/protocol';
import type { LogReader } from '../log/log.ts';
import { Cursor } from './cursor.ts';
import { positionOf } from './start-position.ts';
import { incompleteBytes } from './text-decoder.ts';

/** Maximum bytes that are read back. While one stream is inside a character, another rarely writes more than a page. */
const MAX_SCAN_BYTES = 64 * 1024;
/** Maximum bytes per incomplete character: a character of UTF-8 without its last byte. */
const MAX_PARTIAL_BYTES = 3;

/**
 * Returns the first bytes of the characters that are incomplete at `offset`, by stream. Leaves out the stream that
 * wrote the byte before `offset`: a reader after that byte already got the whole character, or counts bytes.
 */
export async function partialCharactersAt(
  log: LogReader,
  offset: number,
): Promise<ReadonlyMap<OutputKind, Uint8Array>> {
  const begun = Math.max(log.oldest.offset, offset - MAX_SCAN_BYTES);
  const partials = new Map<OutputKind, Uint8Array>();
  if (begun >= offset) return partials;
  const cursor = new Cursor(log, await positionOf(log, { offset: begun }));
  let last: OutputKind | undefined;
  while (cursor.position.offset < offset) {
    const reading = await cursor.next();
    if (reading.kind === 'head') break;
    if (reading.kind === 'gap') {
      partials.clear();
      continue;
    }
    for (const entry of reading.page.entries) {
      const { kind } = entry;
      if (!isOutput(kind) || entry.offset >= offset) continue;
      const bytes = entry.bytes.subarray(0, offset - entry.offset);
      if (bytes.length === 0) continue;
      const tail = Buffer.concat([partials.get(kind) ?? new Uint8Array(), bytes.subarray(-MAX_PARTIAL_BYTES)]);
      partials.set(kind, tail.subarray(tail.length - incompleteBytes(tail)));
      last = kind;
    }
  }
  if (last !== undefined) partials.delete(last);
  return partials;
}
