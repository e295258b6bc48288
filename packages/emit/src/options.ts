// What an emitter can be told, with its defaults. Checked once, when it is made.

import type { EmitDiagnostic } from './diagnostics.ts';

/** Asked anew for each request; undefined means that there is none now. */
export type Changing = string | (() => string | undefined);

export interface EmitterOptions {
  /** Of the gateway, e.g. http://127.0.0.1:7117. */
  readonly url: Changing;
  /** Of scope `ingest`. */
  readonly token: Changing;
  /** A name of this emitter that stays over restarts. Default: random, and kept in `buffer.dir` where there is one. */
  readonly producer?: string;
  /** The program that emits, e.g. `mcp_core`. Default: `node`. */
  readonly source?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly buffer?: {
    /** What may wait for the gateway. Default: 8 MiB. */
    readonly bytes?: number;
    /** On disk, so that it outlives the process. Default: in memory. */
    readonly dir?: string;
  };
  readonly batch?: {
    /** Events in one request. Default, and at most: 1000. */
    readonly events?: number;
    /** Size of one request. Default: 1 MiB. */
    readonly bytes?: number;
    /** How long an event may wait for others to go with it. Default: 50 ms. */
    readonly lingerMs?: number;
  };
  /** How long `flush` and `close` wait. Default: 5000. */
  readonly flushMs?: number;
  /** How long one request may take. Default: 30,000. */
  readonly requestTimeoutMs?: number;
  /** Waits between tries: at random from 0 to a bound that doubles from `baseMs` to `capMs`. Default: 200, 10,000. */
  readonly retry?: { readonly baseMs?: number; readonly capMs?: number };
  /** Default: a line on stderr, once for each kind. */
  readonly onDiagnostic?: (diagnostic: EmitDiagnostic) => void;
}

export interface SessionOptions {
  /** Default: a new UUID. */
  readonly id?: string;
  readonly command?: string;
  readonly source?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Where its output goes unless that says otherwise. Default: `tty`, a terminal; a program on pipes has `stdout`. */
  readonly stream?: 'tty' | 'stdout' | 'stderr';
  readonly cols?: number;
  readonly rows?: number;
}

export interface Settings {
  readonly url: () => string | undefined;
  readonly token: () => string | undefined;
  readonly producer: string | undefined;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly bufferBytes: number;
  readonly dir: string | undefined;
  readonly batchEvents: number;
  readonly batchBytes: number;
  readonly lingerMs: number;
  readonly flushMs: number;
  readonly requestTimeoutMs: number;
  readonly baseMs: number;
  readonly capMs: number;
}

const PRODUCER = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,127}$/;

/** Throws TypeError: what is wrong here is wrong in the source of a program, and shows when it starts. */
export function settingsOf(options: EmitterOptions): Settings {
  const { buffer = {}, batch = {}, retry = {}, producer } = options;
  if (typeof options.url === 'string' && !/^https?:\/\//i.test(options.url))
    throw new TypeError('url must begin with http:// or https://.');
  for (const name of ['url', 'token'] as const)
    if (typeof options[name] !== 'string' && typeof options[name] !== 'function')
      throw new TypeError(`${name} is missing: give a text, or a function that gives it.`);
  if (producer !== undefined && !PRODUCER.test(producer))
    throw new TypeError('producer takes 1 to 128 of A-Z, a-z, 0-9 and . _ : @ + = , ~ -.');
  return {
    url: asked(options.url),
    token: asked(options.token),
    producer,
    source: options.source ?? 'node',
    labels: options.labels ?? {},
    bufferBytes: whole('buffer.bytes', buffer.bytes, 8 * 1024 * 1024, 64 * 1024, 2 ** 40),
    dir: buffer.dir,
    batchEvents: whole('batch.events', batch.events, 1000, 1, 1000),
    batchBytes: whole('batch.bytes', batch.bytes, 1024 * 1024, 1024, 16 * 1024 * 1024),
    lingerMs: whole('batch.lingerMs', batch.lingerMs, 50, 0, 60_000),
    flushMs: whole('flushMs', options.flushMs, 5000, 0, 3_600_000),
    requestTimeoutMs: whole('requestTimeoutMs', options.requestTimeoutMs, 30_000, 1, 3_600_000),
    baseMs: whole('retry.baseMs', retry.baseMs, 200, 1, 60_000),
    capMs: whole('retry.capMs', retry.capMs, 10_000, 1, 3_600_000),
  };
}

const asked = (value: Changing): (() => string | undefined) => (typeof value === 'string' ? () => value : value);

function whole(name: string, given: number | undefined, otherwise: number, min: number, max: number): number {
  const value = given ?? otherwise;
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new TypeError(`${name} takes a whole number from ${min} to ${max}.`);
  return value;
}
