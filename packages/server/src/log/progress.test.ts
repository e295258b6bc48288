import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pointsOf } from '../recording/timeline.ts';
import { type LogProgress, progressOf } from './progress.ts';
import { INDEX_STEP_BYTES } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';

const FROM = 1_700_000_000_000;
const HOUR = 3600_000;

let dir: string;
let writer: SegmentWriter;
/** What was written, and when. */
const written: { readonly time: number; readonly offset: number; readonly bytes: number }[] = [];

beforeAll(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'binnacle-progress-')), 'log');
  mkdirSync(dir);
  writer = SegmentWriter.create(dir, { segmentBytes: 3 * 1024 * 1024 });
  let time = FROM;
  // Bursts with pauses of hours, and two steps back of the clock.
  for (let n = 0; n < 1500; n++) {
    time += n % 250 === 249 ? 5 * HOUR : n % 400 === 0 ? -1000 : 20;
    const bytes = 4096 + ((n * 7919) % 9000);
    written.push({ time, offset: writer.head.offset, bytes });
    writer.append('tty', Buffer.alloc(bytes, 'x'), time);
    if (n % 100 === 0) writer.append('resize', Buffer.from(JSON.stringify({ cols: 80 + n, rows: 24 })), time);
    if (n === 700) writer.append('signal', Buffer.from('{"signal":"SIGINT","by":"me"}'), time);
  }
});
afterAll(async () => {
  await writer.close();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

const read = (timeoutMs: number, points = 400): Promise<LogProgress> => progressOf(dir, writer, { points, timeoutMs });
const bytesOf = (points: readonly { readonly bytes: number }[]): number =>
  points.reduce((sum, { bytes }) => sum + bytes, 0);

describe('how a log came about', () => {
  it('is exact where there is time: each byte in the step in which it was written', async () => {
    const progress = await read(60_000);
    const { from, to, stepMs } = progress;
    expect({ from, to, isWhole: progress.isWhole }).toEqual({
      ...{ from: FROM - 1000, isWhole: true },
      to: Math.max(...written.map(({ time }) => time)),
    });
    const points = pointsOf(progress.spans, progress);
    const expected = new Map<number, { offset: number; bytes: number }>();
    let latest = from;
    for (const { time, offset, bytes } of written) {
      latest = Math.max(latest, time);
      const step = from + Math.floor((latest - from) / stepMs) * stepMs;
      const point = expected.get(step);
      if (point === undefined) expected.set(step, { offset, bytes });
      else point.bytes += bytes;
    }
    expect(points).toEqual([...expected].map(([time, point]) => ({ time, ...point })));
    expect(progress.events.map(({ kind }) => kind).filter((kind) => kind === 'resize')).toHaveLength(15);
    expect(progress.events.filter(({ kind }) => kind === 'signal')).toMatchObject([
      { time: written[700]?.time, offset: written[701]?.offset },
    ]);
  });

  it('is what the index says where there is none: never off by more than lies between two records', async () => {
    const progress = await read(0);
    expect(progress.isWhole).toBe(false);
    const points = pointsOf(progress.spans, progress);
    expect(bytesOf(points)).toBe(writer.head.offset);
    for (const { time, offset } of points) {
      // What had been written by then.
      const next = written.find((one) => one.time >= time);
      const really = next?.offset ?? writer.head.offset;
      expect(Math.abs(really - offset)).toBeLessThanOrEqual(INDEX_STEP_BYTES + 20_000);
    }
  });

  it('is so without an index, too, and where segments are gone', async () => {
    for (const name of readdirSync(dir)) if (name.endsWith('.idx')) writeFileSync(join(dir, name), 'no index');
    const progress = await read(60_000);
    expect(progress.isWhole).toBe(true);
    expect(bytesOf(pointsOf(progress.spans, progress))).toBe(writer.head.offset);
    writer.trim({ maxBytes: 5 * 1024 * 1024 });
    const trimmed = await read(60_000);
    expect(bytesOf(pointsOf(trimmed.spans, trimmed))).toBe(writer.head.offset - writer.oldest.offset);
    expect(trimmed.spans[0]?.offset).toBe(writer.oldest.offset);
    expect(trimmed.from).toBeGreaterThan(FROM + HOUR);
  });

  it('has as many points as were asked for, and no more', async () => {
    for (const count of [1, 7, 2000]) {
      const progress = await read(60_000, count);
      const points = pointsOf(progress.spans, progress);
      expect(points.length).toBeLessThanOrEqual(count);
      expect(points.length).toBeGreaterThan(0);
      expect(progress.from + count * progress.stepMs).toBeGreaterThan(progress.to);
    }
  });
});
