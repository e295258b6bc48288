import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EntryKind, isOutput, parseEpoch } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { beginningOf, outputOf, readAll } from './conformance.fixture.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';
import type { Head } from './log.ts';
import { PageCache } from './page-cache.ts';
import { listSegments, SEGMENT_HEADER_BYTES, segmentPath } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

/** A small generator with a seed, so that a failure can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/** Byte of the output at an offset. */
const byteAt = (offset: number): number => (offset * 131 + (offset >>> 8)) % 256;
const bytesAt = (offset: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = byteAt(offset + i);
  return bytes;
};

interface Appended {
  readonly kind: EntryKind;
  readonly before: Head;
  readonly after: Head;
}

function fill(writer: SegmentWriter, lengths: readonly number[]): Appended[] {
  return lengths.map((length, i) => {
    const before = writer.head;
    const kind = i % 7 === 3 ? 'event' : 'tty';
    const bytes = kind === 'tty' ? bytesAt(before.offset, length) : Buffer.from(JSON.stringify({ i }));
    return { kind, before, after: writer.append(kind, bytes, 1000 + i) };
  });
}

function flip(path: string, bit: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, bit >> 3);
  byte[0] = (byte[0] ?? 0) ^ (1 << (bit & 7));
  writeSync(fd, byte, 0, 1, bit >> 3);
  closeSync(fd);
}

describe('damaged segment files', () => {
  let root: string;
  let dir: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'binnacle-log-'));
    dir = join(root, 'log');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('T14: a tail torn at any of the last 64 bytes is cut to the last valid entry, and appends go on', async () => {
    for (let cut = 1; cut <= 64; cut += count({ quick: 3, all: 1 })) {
      const writer = SegmentWriter.create(dir);
      const appended = fill(writer, [100, 5, 0, 9, 0, 3, 8, 6]);
      await writer.close();
      const path = segmentPath(dir, 0);
      const size = statSync(path).size - cut;
      truncateSync(path, size);
      const whole = appended.findLast(({ after }) => after.place <= size - SEGMENT_HEADER_BYTES)?.after;

      const finished = SegmentReader.open(dir);
      expect(finished.head).toEqual(whole);
      finished.close();

      const again = SegmentWriter.open(dir);
      expect(again.head).toEqual(whole);
      expect(again.recovery.cutBytes).toBe(size - SEGMENT_HEADER_BYTES - again.head.place);
      expect(again.epoch).toBe(writer.epoch);
      fill(again, [7, 2000]);
      const reader = SegmentReader.open(dir, { head: again.head });
      const { entries, gaps } = await readAll(reader, beginningOf(reader));
      expect(gaps).toEqual([]);
      expect(outputOf(entries, 0).equals(bytesAt(0, again.head.offset))).toBe(true);
      reader.close();
      await again.close();
      rmSync(dir, { recursive: true });
    }
  });

  it('a tail torn to garbage or zeros is cut as well', async () => {
    for (const garbage of [Buffer.alloc(5000), Buffer.alloc(5000, 0xb1), bytesAt(3, 90)]) {
      const writer = SegmentWriter.create(dir);
      fill(writer, [100, 5, 9]);
      await writer.close();
      writeFileSync(segmentPath(dir, 0), garbage, { flag: 'a' });
      expect(SegmentReader.open(dir).head).toEqual(writer.head);
      const again = SegmentWriter.open(dir);
      expect(again.head).toEqual(writer.head);
      expect(again.recovery.cutBytes).toBe(garbage.length);
      await again.close();
      rmSync(dir, { recursive: true });
    }
  });

  it('T15: a flipped bit in an old segment is detected, its range named, and everything else readable', async () => {
    const random = randomFrom(20_240_515);
    const writer = SegmentWriter.create(dir, { segmentBytes: 25_000 });
    const appended = fill(
      writer,
      Array.from({ length: 120 }, (_, i) => (i % 40 === 5 ? 20_000 : random(900))),
    );
    const { head } = writer;
    await writer.close();
    const whole = bytesAt(0, head.offset);
    const bases = listSegments(dir);
    expect(bases.length).toBeGreaterThan(2);
    for (let n = 0; n < count({ quick: 70, all: 200 }); n += 1) {
      const base = bases[random(bases.length - 1)] ?? 0;
      const path = segmentPath(dir, base);
      const bit = n < 20 ? random(SEGMENT_HEADER_BYTES * 8) : random(statSync(path).size * 8);
      flip(path, bit);
      const place = base + (bit >> 3) - SEGMENT_HEADER_BYTES;
      const hit = place < base ? undefined : appended.find(({ after }) => after.place > place);
      const reader = SegmentReader.open(dir, {
        head,
        warmBytes: n % 2 === 0 ? 0 : 1e9,
        cache: new PageCache({ maxBytes: 0 }),
      });

      const { entries, gaps } = await readAll(reader, beginningOf(reader));
      expect(gaps).toEqual(
        hit === undefined
          ? []
          : [
              {
                kind: 'gap',
                reason: 'damaged',
                from: hit.before.offset,
                to: hit.after.offset,
                next: { epoch: reader.epoch, ...hit.after },
              },
            ],
      );
      let delivered = 0;
      for (const { kind, offset, bytes } of entries) {
        if (!isOutput(kind)) continue;
        expect(whole.subarray(offset, offset + bytes.length).equals(bytes)).toBe(true);
        delivered += bytes.length;
      }
      expect(delivered).toBe(head.offset - (hit === undefined ? 0 : hit.after.offset - hit.before.offset));

      // Any offset: exactly what follows, or the range that is gone.
      const offset = random(head.offset);
      const at = await reader.locate(offset);
      const reading = await reader.read(at);
      if (reading.kind === 'gap') {
        expect([reading.from, reading.to]).toEqual([offset, hit?.after.offset]);
      } else if (reading.kind === 'page') {
        const first = outputOf(reading.page.entries, offset);
        expect(whole.subarray(offset, offset + first.length).equals(first)).toBe(true);
      }
      reader.close();
      flip(path, bit);
    }
  });

  it('damage over several entries is one gap up to the next valid one, also across segments and at the end', async () => {
    const writer = SegmentWriter.create(dir, { segmentBytes: 10_000 });
    const appended = fill(
      writer,
      Array.from({ length: 60 }, () => 700),
    );
    const { head } = writer;
    await writer.close();
    const zero = (place: number, bytes: number): void => {
      const base = listSegments(dir).findLast((other) => other <= place) ?? 0;
      const fd = openSync(segmentPath(dir, base), 'r+');
      writeSync(fd, Buffer.alloc(bytes), 0, bytes, place - base + SEGMENT_HEADER_BYTES);
      closeSync(fd);
    };
    const ranges = async (): Promise<(readonly [number, number])[]> => {
      const reader = SegmentReader.open(dir, { head });
      const { gaps } = await readAll(reader, beginningOf(reader));
      reader.close();
      return gaps.map((gap) => (gap.kind === 'gap' ? [gap.from, gap.to] : [-1, -1]));
    };
    const [a, b] = [appended[2], appended[5]];
    zero((a?.before.place ?? 0) + 50, (b?.before.place ?? 0) - (a?.before.place ?? 0));
    expect(await ranges()).toEqual([[a?.before.offset, b?.after.offset]]);

    const second = listSegments(dir)[1] ?? 0;
    const lastOfFirst = appended.find(({ after }) => after.place === second);
    zero(lastOfFirst?.before.place ?? 0, 500);
    expect((await ranges())[1]).toEqual([lastOfFirst?.before.offset, lastOfFirst?.after.offset]);

    const last = appended.at(-1);
    zero(last?.before.place ?? 0, 30);
    expect((await ranges()).at(-1)).toEqual([last?.before.offset, head.offset]);
  });

  it('an open keeps what is valid behind damage in the segment that is written to', async () => {
    const writer = SegmentWriter.create(dir);
    const appended = fill(writer, [500, 600, 700]);
    await writer.close();
    flip(segmentPath(dir, 0), (SEGMENT_HEADER_BYTES + (appended[1]?.before.place ?? 0) + 300) * 8);
    const again = SegmentWriter.open(dir);
    expect(again.head).toEqual(writer.head);
    expect(again.recovery.cutBytes).toBe(0);
    await again.close();
  });

  it('an imitation of an entry in the output of a program is not taken for one', async () => {
    const epoch = parseEpoch('mine');
    const writer = SegmentWriter.create(dir, { epoch });
    writer.append('tty', Buffer.alloc(100, 1), 1);
    const other = join(root, 'other');
    const forger = SegmentWriter.create(other, { epoch: parseEpoch('guess') });
    forger.append('tty', Buffer.alloc(100 + FRAME_HEADER_BYTES, 1), 1);
    forger.append('exit', Buffer.from('{}'), 1);
    const forged = readFileSync(segmentPath(other, 0)).subarray(SEGMENT_HEADER_BYTES + 180);
    writer.append('tty', Buffer.concat([forged, Buffer.alloc(500)]), 2);
    await writer.close();
    await forger.close();
    truncateSync(segmentPath(dir, 0), statSync(segmentPath(dir, 0)).size - 10);
    expect(SegmentReader.open(dir).head.offset).toBe(100);
  });

  it('works without its index files, and with damaged ones', async () => {
    const writer = SegmentWriter.create(dir, { segmentBytes: 2_000_000 });
    const appended = fill(
      writer,
      Array.from({ length: 200 }, () => 20_000),
    );
    await writer.close();
    const indexes = readdirSync(dir).filter((name) => name.endsWith('.idx'));
    expect(statSync(join(dir, indexes[0] ?? '')).size).toBeGreaterThan(32);
    const check = async (): Promise<void> => {
      const reader = SegmentReader.open(dir);
      expect(reader.head).toEqual(writer.head);
      for (const offset of [1, 999_999, 2_500_000, writer.head.offset - 1]) {
        const reading = await reader.read(await reader.locate(offset));
        expect(reading.kind === 'page' && reading.page.entries[0]?.bytes[0]).toBe(byteAt(offset));
      }
      expect((await reader.locateTime(1150)).place).toBe(appended[150]?.before.place);
      reader.close();
    };
    await check();
    for (const name of indexes) writeFileSync(join(dir, name), bytesAt(5, 333));
    await check();
    for (const name of indexes) rmSync(join(dir, name));
    await check();
    const again = SegmentWriter.open(dir);
    expect(again.head).toEqual(writer.head);
    await again.close();
    expect(readdirSync(dir).filter((name) => name.endsWith('.idx')).length).toBe(1);
  });
});
