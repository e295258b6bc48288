// A range of a log's output as one buffer, regardless of the entries in between.

import { isOutput } from '@binnacle/protocol';
import type { Cursor } from './cursor.ts';

/** Reads up to `most` bytes; fewer at the head and before a gap. Throws the failures of reads. */
export async function outputBytes(cursor: Cursor, most: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let left = most; left > 0; ) {
    const reading = await cursor.next();
    if (reading.kind !== 'page') break;
    for (const { kind, bytes } of reading.page.entries) {
      if (!isOutput(kind) || left === 0) continue;
      const part = bytes.subarray(0, left);
      parts.push(part);
      left -= part.length;
    }
  }
  return Buffer.concat(parts);
}
