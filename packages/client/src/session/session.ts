// One session: follow its log, steer its program, read its history. Knows frames; the socket belongs to the connection.

import {
  BinnacleError,
  defined,
  type InputReceipt,
  type ProcessInfo,
  type RunInfo,
  type SessionInfo,
  type ShownScreen,
  type StartPosition,
  type StartScreen,
  type Timeline,
} from '@binnacle/protocol';
import type { Run, RunOptions } from '../run/run.ts';
import type { Runs } from '../run/runs.ts';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { Attachment, type AttachOptions } from './attachment.ts';
import { type EntriesOptions, readEntries, type SessionEntry } from './entries.ts';
import { SessionLease } from './lease.ts';
import { Outbox } from './outbox.ts';
import { Watchers } from './presence.ts';

/** Options of `Session.write`. */
export interface WriteOptions {
  /**
   * Marks an automatic answer of a terminal (device attributes, colours). It is sent once and without a number. The
   * gateway drops it unless this client holds the lease, and the client drops it while there is no connection. Default
   * false.
   */
  readonly auto?: boolean;
}

/** Options of `Session.read`. Pass one of `since`, `tail` and `position`. */
export interface ReadOptions {
  /** Output offset of the first byte. */
  readonly since?: number;
  /** Bytes before the end of the output. */
  readonly tail?: number;
  /** Position of the first byte. */
  readonly position?: string;
  /** Maximum number of bytes. */
  readonly limit?: number;
  /** Milliseconds to wait for output if there is none yet. Default 0. */
  readonly waitMs?: number;
  /** Reads one stream of a program on pipes. Default: both. */
  readonly stream?: 'stdout' | 'stderr';
}

/** Options of `Session.screen`. */
export interface ScreenOptions {
  /** Output offset. Default: now. */
  readonly at?: number;
  /** Cancels the request, which then throws `unreachable`. */
  readonly signal?: AbortSignal;
}

/** Options of `Session.timeline`. */
export interface TimelineOptions {
  /** Maximum number of points, 1 to 2000. Default 400. */
  readonly points?: number;
  /** Cancels the request, which then throws `unreachable`. */
  readonly signal?: AbortSignal;
}

/** Raw output, as `Session.read` returns it. */
export interface OutputSlice {
  /** The bytes as the program wrote them. */
  readonly bytes: Uint8Array;
  /** Output offset behind `bytes`: the `since` of the next read. */
  readonly nextOffset: number;
}

/**
 * Handle to one session. It sends no request until a method is called.
 *
 * @example
 * ```ts
 * import { textOf } from '@binnacle/client';
 *
 * const { id } = await binnacle.sessions.create({ command: 'read name; echo "hello $name"' });
 * const greeter = binnacle.session(id);
 * await greeter.lease.acquire({ holder: 'the example' });
 * await greeter.write('Ada\n');
 * for await (const { text } of textOf(greeter.attach())) process.stdout.write(text);
 * ```
 */
export class Session {
  /** Id of the session, a UUID. */
  readonly id: string;
  /** Lease of this session: the right to write. */
  readonly lease: SessionLease;
  /** Presence: the other clients that follow this session. */
  readonly watchers: Watchers;
  readonly #connection: Connection;
  readonly #http: Http;
  readonly #allRuns: Runs;
  readonly #outbox: Outbox;
  readonly #attachments = new Set<Attachment>();

  constructor(connection: Connection, http: Http, runs: Runs, id: string) {
    this.id = id;
    this.#connection = connection;
    this.#http = http;
    this.#allRuns = runs;
    this.lease = new SessionLease(connection, id);
    this.watchers = new Watchers(connection, id);
    this.#outbox = new Outbox(connection, id);
  }

  /**
   * Follows the log from a place on, as an async iterable. It survives cut connections and restarts of the gateway, and
   * resumes at the exact byte.
   *
   * `from` is a position, `{ offset }`, `{ tail }` (bytes before the end), `'start'` (default), `'now'`, `'screen'`
   * (what the terminal shows now, and all that follows) or `{ screen: true, at }` (what it showed at an output offset).
   *
   * A client follows a session once at a time: a second attachment throws `too_many_subscriptions`. The iteration
   * throws `session_gone`, `wrong_epoch`, `offset_ahead` or `forbidden` if it ends early.
   *
   * @example
   * ```ts
   * for await (const event of session.attach({ tail: 4096 })) {
   *   if (event.type === 'output') process.stdout.write(event.bytes);
   *   if (event.type === 'gap') console.error(`${event.to - event.from} bytes are gone: ${event.reason}`);
   *   if (event.type === 'end') console.log(event.info.exitCode);
   * }
   * ```
   */
  attach(from: StartPosition | StartScreen | 'screen' = 'start', options: AttachOptions = {}): Attachment {
    const begin = from === 'screen' ? ({ screen: true } as const) : from;
    return new Attachment(this.#connection, this.id, begin, options, this.#attachments, () =>
      this.watchers.subscribed(),
    );
  }

  /**
   * Sends input; a string is sent as UTF-8. Resolves when the queue of the program has taken all of it. After a
   * reconnect the client sends it again, and the gateway applies it once. Throws `input_full` if `outboxBytes` already
   * wait here, `lease_held` if another client holds the lease, `session_exited`.
   *
   * @example
   * ```ts
   * const { queued } = await session.write('make test\n');
   * if (queued > 0) console.log(`the program has not read ${queued} bytes yet`);
   * ```
   */
  write(input: string | Uint8Array, options: WriteOptions = {}): Promise<InputReceipt> {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    const lease = this.lease.current?.lease;
    return options.auto === true ? this.#outbox.reply(bytes, lease) : this.#outbox.write(bytes, lease);
  }

  /**
   * Runs shell text in a session that takes runs (created with `{ runs: true }`). The run starts whether or not anyone
   * reads it. Loop over it for its events, or await `ended`. `client.runs.resume` returns to it by its id. Sent again
   * after a lost connection, it acts once. It carries the lease if this handle holds it.
   *
   * @example
   * ```ts
   * const run = session.run('npm test', { timeoutMs: 600_000 });
   * for await (const event of run) if (event.type === 'output') process.stdout.write(event.bytes);
   * console.log((await run.ended).exitCode);
   * ```
   */
  run(command: string, options: RunOptions = {}): Run {
    return this.#allRuns.start(this.id, command, options, this.lease.current?.lease);
  }

  /** Returns the runs of the session, oldest first. */
  async runs(): Promise<RunInfo[]> {
    return await this.#allRuns.list(this.id);
  }

  /** Returns the processes of the session, background jobs included. */
  async processes(): Promise<ProcessInfo[]> {
    return await this.#allRuns.processes(this.id);
  }

  /**
   * Sends a signal by name (`SIGINT`) to the foreground job. It is sent once: throws `connection_lost` if the answer
   * was lost, `unknown_signal`, `lease_held`.
   */
  async signal(signal: string): Promise<void> {
    await this.#connection.request((ref) => ({ t: 'signal', ref, session: this.id, signal, ...this.#currentLease() }));
  }

  /** Sets the size of the terminal in columns and rows, 1 to 65535. Throws `bad_size`, `not_a_tty`, `lease_held`. */
  async resize(cols: number, rows: number): Promise<void> {
    await this.#connection.request(
      (ref) => ({ t: 'resize', ref, session: this.id, cols, rows, ...this.#currentLease() }),
      {
        resend: true,
      },
    );
  }

  /** Ends the program's input behind all input that was written before: end of file on a pipe, Ctrl-D on a terminal. */
  async closeStdin(): Promise<void> {
    await this.#outbox.drained();
    await this.#connection.request((ref) => ({ t: 'close_stdin', ref, session: this.id, ...this.#currentLease() }));
  }

  /** Returns the session's state. Throws `session_not_found`. */
  async info(): Promise<SessionInfo> {
    return await this.#http.json({ path: this.#path });
  }

  /**
   * Returns what the terminal shows now, or showed at an output offset. Throws `not_a_tty`. With `at` also throws
   * `offset_ahead`, `gap` (no longer kept) and `asked_again` (later requests replaced this one).
   *
   * @example
   * ```ts
   * const { lines, cursor } = await session.screen();
   * console.log(lines.join('\n'), cursor.row);
   * ```
   */
  async screen({ at, signal }: ScreenOptions = {}): Promise<ShownScreen> {
    const ends = defined({ signal });
    return await this.#http.json({ path: `${this.#path}/screen`, query: { at }, ...ends });
  }

  /** Ends the program and removes the session with its log. Throws `session_not_found`. */
  async delete(): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: this.#path });
  }

  /**
   * Returns a piece of the raw output, without following it. Throws `offset_ahead`, `session_not_found`.
   *
   * @example
   * ```ts
   * let since = 0;
   * for (;;) {
   *   const { bytes, nextOffset } = await session.read({ since, waitMs: 10_000 });
   *   if (bytes.length === 0) break;
   *   process.stdout.write(bytes);
   *   since = nextOffset;
   * }
   * ```
   */
  async read(options: ReadOptions = {}): Promise<OutputSlice> {
    const { waitMs, ...query } = options;
    return await this.#http.send(
      { path: `${this.#path}/output`, query: { ...query, wait: waitMs }, waitMs: waitMs ?? 0 },
      async (response) => {
        const next = response.headers.get('Binnacle-Next-Offset');
        if (next === null) throw new BinnacleError('protocol_error', { message: 'The answer names no next offset.' });
        return { bytes: new Uint8Array(await response.arrayBuffer()), nextOffset: Number(next) };
      },
    );
  }

  /**
   * Returns how much the program wrote when, in at most `points` steps, with runs, resizes, signals, gaps and the exit.
   */
  async timeline({ points, signal }: TimelineOptions = {}): Promise<Timeline> {
    const ends = defined({ signal });
    return await this.#http.json({ path: `${this.#path}/timeline`, query: { points }, ...ends });
  }

  /**
   * Reads the log as it was written, entry by entry with its time, for replay. Reads at most 512 KiB of output ahead of
   * its consumer. Throws `offset_ahead`, `session_gone`.
   *
   * @example
   * ```ts
   * for await (const entry of session.entries({ since: 0 })) {
   *   if (entry.kind === 'resize') console.log(entry.time, entry.data.cols, entry.data.rows);
   * }
   * ```
   */
  entries(options: EntriesOptions = {}): AsyncGenerator<SessionEntry, void> {
    const { backoff, random } = this.#connection.settings;
    return readEntries({ http: this.#http, path: this.#path, backoff, random }, options);
  }

  /** Ends the attachments of this handle and releases its lease. The program goes on. */
  detach(): void {
    for (const attachment of [...this.#attachments]) attachment.detach();
    this.lease.drop();
  }

  get #path(): string {
    return `/v1/sessions/${encodeURIComponent(this.id)}`;
  }

  #currentLease(): { lease?: string } {
    const lease = this.lease.current?.lease;
    return defined({ lease });
  }
}
