// A piece of a log's output in one go, whatever came in between.

import { isOutput } from '@binnacle/protocol';
import type { Cursor } from './cursor.ts';

/** So many bytes at most; less where there are no more, and where some are missing. Throws what reading throws. */
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
