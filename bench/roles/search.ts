// A gateway in this process over logs that are there already, so that the delay of its event loop can be measured.

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import type { SessionId, TrafficMark } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { prepareDataDir } from '../../packages/server/src/data-dir/data-dir.ts';
import type { Gateway, GatewayOptions } from '../../packages/server/src/gateway/options.ts';
import { SegmentWriter } from '../../packages/server/src/log/segment-writer.ts';
import { Catalogue } from '../../packages/server/src/store/store.ts';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface SearchSpec {
  readonly dir: string;
  /** Output to write first. */
  readonly bytes: number;
  /** Events to write first. */
  readonly events: number;
  readonly options: Partial<GatewayOptions>;
}

export interface SearchTarget {
  readonly url: string;
  readonly token: string;
}

/** Of the event loop, in ms. */
export interface Stall {
  readonly longest: number;
  readonly p99: number;
}

const SESSION_BYTES = 64 * 1024 * 1024;
const SESSION_EVENTS = 250_000;
const ENTRY_BYTES = 32 * 1024;

export async function main(spec: SearchSpec): Promise<void> {
  await write(spec);
  const library = resolve(process.env.BINNACLE_ROOT ?? '.', 'packages/server/dist/index.js');
  const { startGateway } = (await import(pathToFileURL(library).href)) as {
    startGateway(options: GatewayOptions): Promise<Gateway>;
  };
  const gateway = await startGateway({ dataDir: spec.dir, port: 0, ...spec.options });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  onBenchMessage({
    stall: () => {
      // What the timer itself waits for counts as delay.
      const stall: Stall = { longest: delay.max / 1e6 - 1, p99: delay.percentile(99) / 1e6 - 1 };
      delay.reset();
      sendToBench('stall', stall);
    },
    close: () => void gateway.close().then(() => sendToBench('closed')),
  });
  const opened: SearchTarget = { url: gateway.url, token: gateway.adminToken };
  sendToBench('open', opened);
}

async function write({ dir, bytes, events }: SearchSpec): Promise<void> {
  if (bytes === 0 && events === 0) return;
  const catalogue = Catalogue.open(prepareDataDir(dir));
  const text = lines(8 * 1024 * 1024);
  let at = 0;
  for (let left = bytes; left > 0; left -= SESSION_BYTES) {
    await session(dir, catalogue, (log) => {
      for (let done = 0; done < Math.min(left, SESSION_BYTES); done += ENTRY_BYTES) {
        log.append('tty', text.subarray(at, at + ENTRY_BYTES), Date.now());
        at = (at + ENTRY_BYTES) % (text.length - ENTRY_BYTES);
        if (at < ENTRY_BYTES) text.set(lines(256 * 1024), Math.floor(Math.random() * 31) * 256 * 1024);
      }
    });
  }
  for (let left = events; left > 0; left -= SESSION_EVENTS) {
    await session(dir, catalogue, (log) => {
      for (let seq = 0; seq < Math.min(left, SESSION_EVENTS); seq += 1000) {
        const marks = Array.from({ length: 1000 }, (_, i): TrafficMark => {
          return { traffic: { epoch: 0, seq: seq + i, bytes: 0, at: Date.now(), command_preview: `step ${seq + i}` } };
        });
        log.appendAll(
          marks.map((mark) => ({ kind: 'event', bytes: Buffer.from(JSON.stringify(mark)) }) as const),
          Date.now(),
        );
      }
    });
  }
  catalogue.close();
}

async function session(dir: string, catalogue: Catalogue, fill: (log: SegmentWriter) => void): Promise<void> {
  const id = uuidv7() as SessionId;
  const logDir = join(dir, 'sessions', id, 'log');
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const log = SegmentWriter.create(logDir);
  fill(log);
  const spec = { argv: ['bench'], mode: 'pty', cwd: '/', envNames: [], cols: 80, rows: 24, takesRuns: false } as const;
  catalogue.sessions.insert({ id, name: 'bench', spec, state: 'closed', epoch: log.epoch });
  catalogue.sessions.update(id, { head: log.head, exitedAt: Date.now() });
  await log.close();
}

/** Words distributed as in logs: a few are frequent, many are rare. */
const WORD_COUNT = 20_000;
export const wordOf = (rank: number): string => `w${(rank * 7919).toString(36)}`;

function lines(bytes: number): Buffer {
  const parts: string[] = [];
  for (let length = 0; length < bytes; ) {
    const words = Array.from({ length: 9 }, () => wordOf(Math.floor(WORD_COUNT ** Math.random())));
    const line = `\x1b[32m${new Date().toISOString()}\x1b[0m ${words.join(' ')} ${Math.floor(Math.random() * 1e6)}\r\n`;
    parts.push(line);
    length += line.length;
  }
  return Buffer.from(parts.join('').slice(0, bytes), 'latin1');
}
