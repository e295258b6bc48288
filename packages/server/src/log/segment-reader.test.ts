import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined, type Position, parseEpoch } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginningOf, outputOf, readAll } from './conformance.fixture.ts';
import { GroupSync } from './group-sync.ts';
import { everyMs, type Page, type Reading } from './log.ts';
import { PageCache } from './page-cache.ts';
import { listSegments, segmentPath } from './segment.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

const pageOf = (reading: Reading): Page => {
  if (reading.kind !== 'page') throw new Error(`A ${reading.kind}, not a page.`);
  return reading.page;
};
const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('segment files', () => {
  let root: string;
  let dir: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'binnacle-log-'));
    dir = join(root, 'log');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const fill = (writer: SegmentWriter, count: number, length: number): void => {
    for (let i = 0; i < count; i += 1) writer.append('tty', Buffer.alloc(length, i), i);
  };

  it('are for their owner alone, and are not written through a link', async () => {
    const writer = SegmentWriter.create(dir);
    fill(writer, 1, 10);
    await writer.close();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    expect(() => SegmentWriter.create(dir)).toThrow('holds a log already');
    const planted = SegmentWriter.create(join(root, 'two'), { segmentBytes: 1000 });
    planted.append('tty', Buffer.alloc(900), 1);
    symlinkSync(join(root, 'elsewhere'), segmentPath(join(root, 'two'), 940));
    expect(() => planted.append('tty', Buffer.alloc(900), 1)).toThrow('Two writers');
    expect(readdirSync(root)).not.toContain('elsewhere');
  });

  it('a log is read once its writer has made its first file again, and a reader that could not be opened keeps no file', async () => {
    for (const files of [new SegmentFiles({ maxOpen: 8 }), undefined]) {
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir);
      // A writer was killed between the creation of the file and its header.
      writeFileSync(segmentPath(dir, 0), '');
      const before = openFiles();
      const head = { place: 0, offset: 0 };
      expect(() => SegmentReader.open(dir, { head, ...defined({ files }) })).toThrow('No segment header');
      expect(openFiles()).toBe(before);
      rmSync(segmentPath(dir, 0));
      const writer = SegmentWriter.create(dir);
      fill(writer, 3, 100);
      const reader = SegmentReader.open(dir, { head: writer.head, ...defined({ files }) });
      expect(pageOf(await reader.read(beginningOf(reader))).next.offset).toBe(300);
      reader.close();
      await writer.close();
    }
  });

  it('a reader is told of the head: what lies beyond is not shown, and the first waiter asks to be told', async () => {
    const writer = SegmentWriter.create(dir);
    const waits: number[] = [];
    const reader = SegmentReader.open(dir, { head: writer.head, onWait: (place) => waits.push(place) });
    fill(writer, 3, 100);
    expect(reader.read(beginningOf(reader))).toEqual({ kind: 'head' });
    reader.wait(0, () => undefined);
    reader.wait(0, () => undefined);
    expect(waits).toEqual([0]);
    reader.takeReport({ place: 280, offset: 200 }, false);
    expect(pageOf(await reader.read(beginningOf(reader))).next.offset).toBe(200);
    reader.takeReport({ place: 140, offset: 100 }, false);
    expect(reader.head.place).toBe(280);
    reader.wait(280, () => undefined);
    expect(waits).toEqual([0, 280]);
    expect(reader.settle()).toEqual(writer.head);
    reader.close();
    await writer.close();
  });

  it('with many who wait, the first who waits again asks to be told of the next growth', async () => {
    const waits: number[] = [];
    const writer = SegmentWriter.create(dir);
    const reader = SegmentReader.open(dir, { head: writer.head, onWait: (place) => waits.push(place) });
    const woken: string[] = [];
    const follow = (name: string, place: number): void => {
      reader.wait(place, () => {
        woken.push(`${name}${reader.head.place}`);
        follow(name, reader.head.place);
      });
    };
    follow('a', 0);
    follow('b', 0);
    reader.takeReport({ place: 140, offset: 100 }, false);
    reader.takeReport({ place: 280, offset: 200 }, false);
    expect(woken).toEqual(['a140', 'b140', 'a280', 'b280']);
    expect(waits).toEqual([0, 140, 280]);
    reader.close();
    await writer.close();
  });

  it('asks for a report at the strictest pace of those who wait, and not while reports go on', async () => {
    const writer = SegmentWriter.create(dir);
    const asked: [number, number][] = [];
    const reader = SegmentReader.open(dir, {
      head: writer.head,
      onWait: (place, { maxDelayMs }) => asked.push([place, maxDelayMs]),
    });
    const woken: string[] = [];
    reader.wait(0, () => woken.push('slow'), everyMs(3_600_000));
    const cancel = reader.wait(0, () => woken.push('cancelled'), everyMs(60_000));
    cancel();
    reader.wait(0, () => woken.push('fast'));
    reader.wait(0, () => woken.push('as fast'));
    expect(asked).toEqual([
      [0, 3_600_000],
      [0, 60_000],
      [0, 0],
    ]);
    reader.takeReport({ place: 140, offset: 100 }, true);
    expect(woken).toEqual(['fast', 'as fast']);
    reader.wait(140, () => woken.push('next'));
    expect(asked).toHaveLength(3);
    reader.takeReport({ place: 280, offset: 200 }, false);
    // The growth for the slow one is known: nothing more is asked for.
    expect(asked).toHaveLength(3);
    reader.wait(280, () => woken.push('last'));
    expect(asked.at(-1)).toEqual([280, 0]);
    reader.remind();
    expect(asked.slice(4)).toEqual([[280, 0]]);
    expect(woken).toEqual(['fast', 'as fast', 'next']);
    reader.close();
    await writer.close();
  });

  it('wakes at once who asked for a report at a pace, when the report has waited that long', async () => {
    const writer = SegmentWriter.create(dir);
    const reader = SegmentReader.open(dir, { head: writer.head });
    const woken: string[] = [];
    reader.wait(0, () => woken.push('slow'), everyMs(3_600_000));
    // Growth that the reader learns of otherwise has not waited.
    reader.advance({ place: 140, offset: 100 });
    expect(woken).toEqual([]);
    reader.takeReport({ place: 280, offset: 200 }, false);
    expect(woken).toEqual(['slow']);
    reader.close();
    await writer.close();
  });

  it('near the head they answer in the same turn, and readers at one position share the page', async () => {
    const cache = new PageCache();
    const files = new SegmentFiles();
    const writer = SegmentWriter.create(dir, { segmentBytes: 5000 });
    const reader = SegmentReader.open(dir, { head: writer.head, cache, files });
    let at: Position = beginningOf(reader);
    for (let i = 0; i < 30; i += 1) {
      fill(writer, 1, 1000);
      reader.advance(writer.head);
      const reading = reader.read(at);
      if (reading instanceof Promise) throw new Error('It took another turn.');
      const again = reader.read(at);
      expect(again instanceof Promise ? again : pageOf(again)).toBe(pageOf(reading));
      at = pageOf(reading).next;
    }
    expect(listSegments(dir).length).toBeGreaterThan(5);
    expect(at.place).toBe(writer.head.place);
    reader.close();
    await writer.close();
  });

  it('old ranges are read once for all who ask at the same time, ahead of who reads on, and with few descriptors', async () => {
    const writer = SegmentWriter.create(dir, { segmentBytes: 200_000 });
    fill(writer, 600, 5000);
    const before = openFiles();
    const cache = new PageCache();
    const files = new SegmentFiles({ maxOpen: 2 });
    const reader = SegmentReader.open(dir, { head: writer.head, warmBytes: 0, cache, files });
    const start = beginningOf(reader);
    const readings = await Promise.all(Array.from({ length: 20 }, () => reader.read(start)));
    expect(new Set(readings.map(pageOf)).size).toBe(1);
    const second = pageOf(await reader.read(pageOf(await reader.read(start)).next));
    expect(second.entries.length).toBe(1);
    const third = pageOf(await reader.read(second.next));
    const cachedBytes = cache.bytes;
    // Nobody asked for the fourth page, but it comes; then it is there in the same turn.
    await expect.poll(() => cache.bytes, { interval: 1 }).toBeGreaterThan(cachedBytes);
    const fourth = reader.read(third.next);
    expect(fourth instanceof Promise).toBe(false);
    const joins = Array.from({ length: 50 }, async (_, i) => {
      const offset = i * 59_999;
      const { entries } = await readAll(reader, await reader.locate(offset));
      expect(outputOf(entries, offset).length).toBe(3_000_000 - offset);
    });
    await Promise.all(joins);
    expect(openFiles()).toBeLessThanOrEqual(before + 3);
    reader.close();
    expect(openFiles()).toBeLessThanOrEqual(before);
    await writer.close();
  });

  it('pages that were read while the log grew are read again as one by who comes much later', async () => {
    const writer = SegmentWriter.create(dir);
    const reader = SegmentReader.open(dir, { head: writer.head });
    const start = beginningOf(reader);
    fill(writer, 1, 100);
    reader.advance(writer.head);
    expect(pageOf(await reader.read(start)).next.offset).toBe(100);
    fill(writer, 50, 100);
    reader.advance(writer.head);
    expect(pageOf(await reader.read(start)).next.offset).toBe(5100);
    reader.close();
    await writer.close();
  });

  it('the cache stays within its bytes and keeps what is used', async () => {
    const cache = new PageCache({ maxBytes: 1_000_000 });
    const writer = SegmentWriter.create(dir);
    fill(writer, 400, 10_000);
    const reader = SegmentReader.open(dir, { head: writer.head, cache });
    const start = beginningOf(reader);
    const first = pageOf(await reader.read(start));
    for (let at = first.next; at.place < writer.head.place; at = pageOf(await reader.read(at)).next) {
      expect(pageOf(await reader.read(start))).toBe(first);
      expect(cache.bytes).toBeLessThanOrEqual(1_000_000);
    }
    expect(pageOf(await reader.read(first.next))).not.toBe(undefined);
    reader.close();
    expect(cache.bytes).toBe(0);
    await writer.close();
  });

  it('a segment that disappears while it is read is a gap, not a failure', async () => {
    const writer = SegmentWriter.create(dir, { segmentBytes: 100_000 });
    fill(writer, 100, 5000);
    const files = new SegmentFiles();
    const reader = SegmentReader.open(dir, { head: writer.head, warmBytes: 0, files });
    const start = beginningOf(reader);
    files.close();
    writer.trim({ maxBytes: 100_000 });
    const next = { epoch: reader.epoch, ...writer.oldest };
    const gap = { kind: 'gap', reason: 'retention', from: 0, to: writer.oldest.offset, next };
    expect(await reader.read(start)).toEqual(gap);
    expect(reader.oldest).toEqual(writer.oldest);
    reader.close();
    await writer.close();
    rmSync(dir, { recursive: true });
    expect(() => SegmentReader.open(dir)).toThrow('removed');
    expect(() => SegmentWriter.open(dir)).toThrow();
  });

  it('a reader whose head was removed before it heard of growth reads a gap, and what follows', async () => {
    const writer = SegmentWriter.create(dir, { segmentBytes: 1000, retainBytes: 3000 });
    fill(writer, 1, 100);
    const reader = SegmentReader.open(dir, { head: writer.head });
    const begin = beginningOf(reader);
    fill(writer, 100, 100);
    reader.setOldest(writer.oldest);
    expect(reader.head).toEqual(writer.oldest);
    const gap = await reader.read(begin);
    expect(gap).toMatchObject({ kind: 'gap', reason: 'retention', from: 0, to: writer.oldest.offset });
    if (gap.kind !== 'gap') throw new Error('no gap');
    expect(await reader.read(gap.next)).toEqual({ kind: 'head' });
    expect(await reader.locate(writer.oldest.offset)).toMatchObject(writer.oldest);
    reader.advance(writer.head);
    expect(pageOf(await reader.read(gap.next)).from.offset).toBe(writer.oldest.offset);
    reader.close();
    await writer.close();
  });

  it('a new epoch refuses old positions and keeps old output', async () => {
    const writer = SegmentWriter.create(dir, { epoch: parseEpoch('one') });
    fill(writer, 5, 100);
    await writer.close();
    const again = SegmentWriter.open(dir, { epoch: parseEpoch('two') });
    expect(again.epoch).toBe('two');
    fill(again, 5, 100);
    await again.close();
    const reader = SegmentReader.open(dir);
    expect(reader.epoch).toBe('two');
    expect(() => reader.read({ epoch: parseEpoch('one'), place: 0, offset: 0 })).toThrow('another epoch');
    const { entries, gaps } = await readAll(reader, beginningOf(reader));
    expect(gaps).toEqual([]);
    expect(outputOf(entries, 0).length).toBe(1000);
    reader.close();
  });

  it('a segment without a whole header, left by a writer that was killed there, is dropped', async () => {
    const writer = SegmentWriter.create(dir);
    fill(writer, 5, 100);
    await writer.close();
    writeFileSync(segmentPath(dir, writer.head.place), readFileSync(segmentPath(dir, 0)).subarray(0, 30));
    const reader = SegmentReader.open(dir);
    expect(reader.head).toEqual(writer.head);
    reader.close();
    const again = SegmentWriter.open(dir);
    expect(again.head).toEqual(writer.head);
    expect(listSegments(dir)).toEqual([0]);
    await again.close();
  });

  it('one sync serves all logs that have something to sync, and later ones wait for the next', async () => {
    const group = new GroupSync({ intervalMs: 1 });
    const writers = ['a', 'b', 'c'].map((name) => SegmentWriter.create(join(root, name), { group }));
    for (const writer of writers) fill(writer, 2, 100);
    const running = writers.map((writer) => writer.sync());
    for (const writer of writers) fill(writer, 1, 100);
    const later = await Promise.all(writers.map((writer) => writer.sync()));
    expect((await Promise.all(running)).every(({ place }) => place >= 280)).toBe(true);
    expect(later.every(({ place }) => place === 420)).toBe(true);
    for (const writer of writers) fill(writer, 1, 100);
    await expect.poll(() => writers.map(({ synced }) => synced.place), { interval: 1 }).toEqual([560, 560, 560]);
    group.stop();
    await Promise.all(writers.map((writer) => writer.close()));
  });

  it('a sync that failed is not believed again', async () => {
    const failures: unknown[] = [];
    const group = new GroupSync({ intervalMs: 1, onError: (cause) => failures.push(cause) });
    const writer = SegmentWriter.create(dir, { group });
    fill(writer, 1, 10);
    rmSync(dir, { recursive: true }); // the directory itself cannot be synced then
    await expect.poll(() => failures.length, { interval: 1 }).toBeGreaterThan(0);
    expect(writer.synced.place).toBe(0);
    await expect(writer.sync()).rejects.toMatchObject({ code: 'disk_full' });
    await expect(writer.close()).rejects.toMatchObject({ code: 'disk_full' });
    group.stop();
    await SegmentWriter.create(dir).close();
  });
});
