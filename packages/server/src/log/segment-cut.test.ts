import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOutput } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

let dir: string;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'binnacle-cut-')), 'log');
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true }));

describe('a log whose end was taken back', () => {
  it.each([false, true])('is found by offset where it goes on (opened again before: %s)', async (isReopened) => {
    let writer = SegmentWriter.create(dir);
    const heads = Array.from({ length: 6 }, (_, n) => writer.append('tty', Buffer.alloc(900_000, 'a'), n));
    if (isReopened) {
      await writer.close();
      writer = SegmentWriter.open(dir);
    }
    // Records of the index beyond this would point into the middle of what comes now.
    writer.cut(heads[2] ?? writer.head);
    for (let n = 0; n < 300; n += 1) writer.append('tty', Buffer.alloc(20_001, 'b'), 10 + n);
    await writer.close();
    const reader = SegmentReader.open(dir);
    expect(reader.head.offset).toBe(3 * 900_000 + 300 * 20_001);
    for (let offset = 0; offset < reader.head.offset; offset += 150_001) {
      const reading = await reader.read(await reader.locate(offset));
      if (reading.kind !== 'page') throw new Error(`There is no page at ${offset}.`);
      const first = reading.page.entries.find(({ kind }) => isOutput(kind));
      expect(first?.offset).toBe(offset);
    }
    reader.close();
  });
});
