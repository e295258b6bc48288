// Floods in a real gateway, and viewers who check every chunk of them. Knows no single test.

import { createHash, type Hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AttachmentEvent, type Binnacle, connect } from '@binnacle/client';
import type { OutputKind, SessionInfo, SessionMode, StartPosition } from '@binnacle/protocol';
import { readProcess } from '../../packages/server/src/process/session-processes.ts';
import { type GatewayAccess, socketOf } from '../support/gateway-access.ts';
import { floodDigest } from './flood.mjs';

const PROGRAM = join(import.meta.dirname, 'flood.mjs');
export const MIB = 1024 * 1024;

export interface FloodSpec {
  readonly label: string;
  readonly mode: SessionMode;
  /** At least. */
  readonly bytes: number;
  /** MiB a second at most. Default: as fast as it goes. */
  readonly rate?: number;
  /** It goes on until `stop` is called. Default false. */
  readonly endless?: boolean;
  /** Shell text that runs before it. */
  readonly first?: string;
}

export interface Flooding {
  readonly id: string;
  readonly label: string;
  readonly mode: SessionMode;
  /** Lets an endless one come to its end. */
  stop(): void;
}

/** A terminal is set raw first: else it would turn line feeds into carriage returns and line feeds. */
export async function startFlood(gateway: GatewayAccess, spec: FloodSpec): Promise<Flooding> {
  const { label, mode, bytes, rate = 0, endless = false, first = ':' } = spec;
  const stopFile = endless ? join(gateway.dir, `stop-${label}`) : '';
  const flood = JSON.stringify({ label, bytes, rate, stopFile, both: mode === 'pipe' });
  const prepare = mode === 'pty' ? `stty raw -echo; ${first}` : first;
  const argv = ['/bin/sh', '-c', `${prepare}; exec "$@"`, 'sh', process.execPath, PROGRAM, flood];
  const { id } = await gateway.client.sessions.create({ argv, mode, cwd: gateway.dir, name: label });
  return { id, label, mode, stop: () => writeFileSync(stopFile, '') };
}

/** Comes back within 50 ms of a restart; the default would wait longer each time while it is cut every second. */
export const eagerClient = (gateway: GatewayAccess): Binnacle =>
  connect({
    url: gateway.url,
    token: gateway.token,
    makeSocket: socketOf,
    backoff: { baseMs: 25, capMs: 50, steadyMs: 1 },
  });

interface Stream {
  readonly hash: Hash;
  bytes: number;
}

/** Follows a session and fails at the first byte that does not follow the one before it. */
export class Watcher {
  readonly streams = new Map<OutputKind, Stream>();
  readonly others: Exclude<AttachmentEvent, { type: 'output' }>[] = [];
  /** Output offset behind what it has seen. */
  offset = 0;
  /** Resolves with the last state. Rejects when something is missing, doubled or out of order. */
  readonly ended: Promise<SessionInfo>;
  #onOutput = new Set<() => void>();

  constructor(client: Binnacle, id: string, from: StartPosition = 'start') {
    this.ended = this.#follow(client, id, from);
    this.ended.catch(() => undefined);
  }

  /** Resolves when it has seen that many bytes; with an error when it ends before. */
  reached(offset: number): Promise<void> {
    return this.#when(() => this.offset >= offset);
  }

  /** Resolves with the time of the first output from now on. */
  async nextOutput(): Promise<number> {
    const before = this.offset;
    await this.#when(() => this.offset > before);
    return performance.now();
  }

  digest(kind: OutputKind): { bytes: number; sha256: string } {
    const stream = this.streams.get(kind);
    return { bytes: stream?.bytes ?? 0, sha256: (stream?.hash.copy() ?? createHash('sha256')).digest('hex') };
  }

  types(): string[] {
    return this.others.map((event) => event.type).filter((type) => type !== 'resize');
  }

  #when(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!isSo()) return;
        this.#onOutput.delete(look);
        resolve();
      };
      this.#onOutput.add(look);
      this.ended.then(() => reject(new Error('The viewer came to the end before that.')), reject);
      look();
    });
  }

  async #follow(client: Binnacle, id: string, from: StartPosition): Promise<SessionInfo> {
    for await (const event of client.session(id).attach(from)) {
      if (event.type === 'attached') this.offset = Number.parseInt(event.position.split('.')[2] ?? '', 36);
      if (event.type !== 'output') {
        this.others.push(event);
        if (event.type === 'end') return event.info;
        continue;
      }
      if (event.offset !== this.offset) throw new Error(`Expected byte ${this.offset}, got byte ${event.offset}.`);
      this.offset += event.bytes.length;
      let stream = this.streams.get(event.kind);
      if (stream === undefined) {
        stream = { hash: createHash('sha256'), bytes: 0 };
        this.streams.set(event.kind, stream);
      }
      stream.hash.update(event.bytes);
      stream.bytes += event.bytes.length;
      for (const look of [...this.#onOutput]) look();
    }
    throw new Error('The attachment ended without an end.');
  }
}

/** The log as a fresh reader gets it over plain HTTP. */
export async function logDigest(gateway: GatewayAccess, id: string, stream?: 'stdout' | 'stderr') {
  const response = await gateway.fetch(
    `/v1/sessions/${id}/output?since=0${stream === undefined ? '' : `&stream=${stream}`}`,
  );
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Generator, viewer and log side by side: the three columns are to be equal. */
export async function threeWays(gateway: GatewayAccess, flooding: Flooding, watcher: Watcher) {
  const { id, label, mode } = flooding;
  const rows: { viewer: unknown; log: unknown; generator: unknown }[] = [];
  const kinds = mode === 'pty' ? (['tty'] as const) : (['stdout', 'stderr'] as const);
  for (const kind of kinds) {
    const log = await logDigest(gateway, id, kind === 'tty' ? undefined : kind);
    const source = kind === 'stderr' ? `${label}-err` : label;
    rows.push({
      viewer: watcher.digest(kind),
      log,
      generator: { bytes: log.bytes, sha256: floodDigest(source, log.bytes) },
    });
  }
  return rows;
}

export interface RunnerProcess {
  readonly pid: number;
  readonly dir: string;
}

/** The runners that a gateway's directory tells of, dead ones as well. */
export function runnersOf(gateway: GatewayAccess): RunnerProcess[] {
  const base = join(gateway.dir, 'runners');
  return readdirSync(base).flatMap((name) => {
    const dir = join(base, name);
    const file = join(dir, 'runner.json');
    if (!existsSync(file)) return [];
    return [{ pid: (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid, dir }];
  });
}

/** The process that hosts a program: its parent. */
export function runnerPidOf(info: SessionInfo): number {
  const parent = readProcess(info.pid ?? -1)?.parent;
  if (parent === undefined || parent <= 1) throw new Error('The program has no runner.');
  return parent;
}

export const isRunning = (pid: number): boolean => readProcess(pid)?.isZombie === false;

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export const random = (below: number): number => Math.floor(Math.random() * below);
