// Options of an emitter, with their defaults. Checked once, when it is made.

import type { EmitDiagnostic } from './diagnostics.ts';

/** A value, or a function that is called for each request; undefined: none at present. */
export type StringOrGetter = string | (() => string | undefined);

/** Options of `createEmitter`. */
export interface EmitterOptions {
  /** Address of the gateway, such as `http://127.0.0.1:7117`. */
  readonly url: StringOrGetter;
  /** Secret of a token with the scope `ingest`. */
  readonly token: StringOrGetter;
  /**
   * Name of this emitter that survives restarts: 1 to 128 characters. Default: random, and stored in `buffer.dir` if
   * there is one.
   */
  readonly producer?: string;
  /** Name of the program that emits. Default `node`. */
  readonly source?: string;
  /** Labels of every session. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Buffer for events that wait for the gateway. */
  readonly buffer?: {
    /** Maximum size in bytes. Default 8 MiB. */
    readonly bytes?: number;
    /** Directory for a buffer that outlives the process. Default: in memory. */
    readonly dir?: string;
  };
  /** Size of requests. */
  readonly batch?: {
    /** Maximum number of events per request. Default and maximum 1000. */
    readonly events?: number;
    /** Maximum size of a request in bytes. Default 1 MiB. */
    readonly bytes?: number;
    /** Milliseconds that an event waits for others to share its request. Default 50. */
    readonly lingerMs?: number;
  };
  /** Milliseconds that `flush` and `close` wait. Default 5000. */
  readonly flushMs?: number;
  /** Milliseconds for one request. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /**
   * Back-off between attempts: random from 0 to a bound that doubles from `baseMs` to `capMs`. Defaults 200 and 10,000.
   */
  readonly retry?: { readonly baseMs?: number; readonly capMs?: number };
  /** Receives diagnostics. Default: one line per kind on stderr. */
  readonly onDiagnostic?: (diagnostic: EmitDiagnostic) => void;
}

/** Options of `Emitter.session`. */
export interface SessionOptions {
  /** Id of the session at the emitter. Default: a new UUID. */
  readonly id?: string;
  /** Command, as its user would type it. */
  readonly command?: string;
  /** Name of the program that emits. Default: that of the emitter. */
  readonly source?: string;
  /** Labels, in addition to those of the emitter. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Working directory of the program. */
  readonly cwd?: string;
  /** Stream of output that names none. `tty` (default) is a terminal; a program on pipes has `stdout` and `stderr`. */
  readonly stream?: 'tty' | 'stdout' | 'stderr';
  /** Columns of the terminal. Together with `rows`. */
  readonly cols?: number;
  /** Rows of the terminal. Together with `cols`. */
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

/**
 * Returns the options with their defaults. Throws `TypeError`: what is wrong here is wrong in the source of a program,
 * and shows when it starts.
 */
export function settingsOf(options: EmitterOptions): Settings {
  const { buffer = {}, batch = {}, retry = {}, producer } = options;
  if (typeof options.url === 'string' && !/^https?:\/\//i.test(options.url))
    throw new TypeError('url must begin with http:// or https://.');
  for (const name of ['url', 'token'] as const)
    if (typeof options[name] !== 'string' && typeof options[name] !== 'function')
      throw new TypeError(`${name} is missing: pass a text, or a function that returns the text.`);
  if (producer !== undefined && !PRODUCER.test(producer))
    throw new TypeError('producer takes 1 to 128 of A-Z, a-z, 0-9 and . _ : @ + = , ~ -.');
  return {
    url: getterOf(options.url),
    token: getterOf(options.token),
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

const getterOf = (value: StringOrGetter): (() => string | undefined) =>
  typeof value === 'string' ? () => value : value;

function whole(name: string, option: number | undefined, otherwise: number, min: number, max: number): number {
  const value = option ?? otherwise;
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new TypeError(`${name} takes a whole number from ${min} to ${max}.`);
  return value;
}
