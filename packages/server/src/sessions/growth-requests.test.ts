// The gateway's and the runner's end of reports of growth, with the messages between them under way in both directions.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { everyMs, type Head, type Pace } from '../log/log.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import { GrowthWatches } from '../runner/growth-watches.ts';
import { GrowthRequests } from './growth-requests.ts';

const PAGE_BYTES = 64 * 1024;
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-growth-'));
});
afterAll(() => rmSync(dir, { recursive: true }));
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  return () => vi.useRealTimers();
});

let logs = 0;

class Wire {
  readonly #writer: SegmentWriter;
  readonly #reader: SegmentReader;
  readonly #requests: GrowthRequests;
  readonly #watches: GrowthWatches<Wire>;
  readonly spec = { id: 'log' };
  readonly isClosed = false;
  readonly toRunner: { place: number; pace: Pace; reports: number }[] = [];
  readonly toGateway: { head: Head; left: number }[] = [];
  /** Places up to which each reader has read. Undefined: it does not wait at the moment. */
  readonly waits = new Map<string, number | undefined>();

  constructor() {
    logs += 1;
    const path = join(dir, String(logs));
    this.#writer = SegmentWriter.create(path);
    this.#requests = new GrowthRequests(PAGE_BYTES, (place, pace, reports) =>
      this.toRunner.push({ place, pace, reports }),
    );
    this.#reader = SegmentReader.open(path, {
      head: this.#writer.head,
      onWait: (place, pace) => this.#requests.request(place, pace),
    });
    this.#watches = new GrowthWatches((log, left) => this.toGateway.push({ head: log.head, left }));
  }

  get head(): Head {
    return this.#writer.head;
  }

  append(bytes: number): void {
    this.#writer.append('tty', Buffer.alloc(bytes), 1);
    this.#watches.grew(this);
  }

  /** A state of the session, which has the head as well. */
  status(): void {
    this.toGateway.push({ head: this.head, left: Number.NaN });
  }

  deliver(direction: 'toRunner' | 'toGateway'): void {
    if (direction === 'toRunner') {
      const watch = this.toRunner.shift();
      if (watch !== undefined) this.#watches.set(this, { place: watch.place, pace: watch.pace, left: watch.reports });
      return;
    }
    const report = this.toGateway.shift();
    if (report === undefined) return;
    const grown = report.head.place - this.#reader.head.place;
    if (Number.isNaN(report.left)) this.#reader.advance(report.head);
    else this.#reader.takeReport(report.head, this.#requests.take(grown, report.left));
  }

  /** Reads to the end, and waits for more if it does not wait yet. */
  read(name: string, pace?: Pace): void {
    if (this.waits.get(name) !== undefined) return;
    const place = this.#reader.head.place;
    this.waits.set(name, place);
    this.#reader.wait(
      place,
      () => {
        this.waits.set(name, undefined);
      },
      pace,
    );
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#writer.close();
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ t: fc.constant('append' as const), bytes: fc.constantFrom(1, 100, 4000, 9000) }),
  },
  { weight: 4, arbitrary: fc.record({ t: fc.constant('toRunner' as const) }) },
  { weight: 4, arbitrary: fc.record({ t: fc.constant('toGateway' as const) }) },
  { weight: 3, arbitrary: fc.record({ t: fc.constant('viewer' as const) }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('follower' as const) }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('status' as const) }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('time' as const), ms: fc.constantFrom(1, 2, 50, 1000) }) },
);

it('no reader who waits is left behind, in whatever order requests, reports and growth meet', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const wire = new Wire();
      for (const one of steps) {
        if (one.t === 'append') wire.append(one.bytes);
        else if (one.t === 'viewer') wire.read('viewer');
        else if (one.t === 'follower') wire.read('follower', everyMs(1000));
        else if (one.t === 'status') wire.status();
        else if (one.t === 'time') vi.advanceTimersByTime(one.ms);
        else wire.deliver(one.t);
      }
      // All that is under way arrives, and all times pass.
      for (let rounds = 0; rounds < 10; rounds += 1) {
        while (wire.toRunner.length + wire.toGateway.length > 0) {
          wire.deliver('toRunner');
          wire.deliver('toGateway');
        }
        vi.advanceTimersByTime(2000);
      }
      const left = [...wire.waits].filter(([, place]) => place !== undefined && place < wire.head.place);
      await wire.close();
      expect(left).toEqual([]);
    }),
    { numRuns: count({ quick: 300, all: 3000 }) },
  );
});

it('sixteen keys of a typist who reads each echo cost the runner two requests', async () => {
  const wire = new Wire();
  wire.read('viewer');
  let requests = 0;
  for (let keys = 0; keys < 16; keys += 1) {
    for (; wire.toRunner.length > 0; requests += 1) wire.deliver('toRunner');
    wire.append(1);
    wire.deliver('toGateway');
    wire.read('viewer');
  }
  expect(requests).toBe(2);
  expect(wire.toGateway).toEqual([]);
  await wire.close();
});
