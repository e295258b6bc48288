// One session as its caller sees it: attach, steer, ask. Knows frames; the socket is the connection's.

import {
  BinnacleError,
  type From,
  type FromScreen,
  type InputReceipt,
  type ProcessInfo,
  type RunInfo,
  type SessionInfo,
  type ShownScreen,
  type Timeline,
} from '@binnacle/protocol';
import type { Run, RunOptions } from '../run/run.ts';
import type { Runs } from '../run/runs.ts';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { Attachment, type AttachOptions } from './attachment.ts';
import { type EntriesOptions, readEntries, type SessionEntry } from './entries.ts';
import { Helm } from './lease.ts';
import { Outbox } from './outbox.ts';
import { Watchers } from './presence.ts';

export interface WriteOptions {
  /**
   * The terminal answered by itself (device attributes, colours). Sent once without a number, dropped by the gateway
   * unless this client holds the lease, and here while there is no connection. Default false.
   */
  readonly auto?: boolean;
}

/** Where and how much to read; one of `since`, `tail` and `position`. */
export interface ReadOptions {
  /** Output offset to begin at. */
  readonly since?: number;
  /** Bytes before the head. */
  readonly tail?: number;
  readonly position?: string;
  /** Bytes at most. */
  readonly limit?: number;
  /** Milliseconds to wait for output where there is none yet. */
  readonly waitMs?: number;
  readonly stream?: 'stdout' | 'stderr';
}

export interface ScreenOptions {
  /** Output offset. Default: now. */
  readonly at?: number;
  /** Ends it, with `unreachable`. */
  readonly signal?: AbortSignal;
}

export interface TimelineOptions {
  readonly points?: number;
  /** Ends it, with `unreachable`. */
  readonly signal?: AbortSignal;
}

export interface OutputSlice {
  readonly bytes: Uint8Array;
  /** What to pass as `since` to go on. */
  readonly nextOffset: number;
}

export class Session {
  readonly id: string;
  /** The helm of this session. */
  readonly lease: Helm;
  /** Who else follows it. */
  readonly watchers: Watchers;
  private readonly connection: Connection;
  private readonly http: Http;
  private readonly allRuns: Runs;
  private readonly outbox: Outbox;
  private readonly attachments: Set<Attachment>;

  constructor(connection: Connection, http: Http, runs: Runs, id: string) {
    this.id = id;
    this.connection = connection;
    this.http = http;
    this.allRuns = runs;
    this.lease = new Helm(connection, id);
    this.watchers = new Watchers(connection, id);
    this.outbox = new Outbox(connection, id);
    this.attachments = new Set();
  }

  /**
   * Follows the log from `from`: a position (string), `{offset}`, `{tail}` (bytes), `'start'`, `'now'`, or `'screen'`: what the
   * terminal shows now, and all that follows; `{screen: true, at}`: what it showed at an output offset. Default
   * `'start'`. A client follows a session once at a time: a second attachment throws `too_many_subscriptions`.
   */
  attach(from: From | FromScreen | 'screen' = 'start', options: AttachOptions = {}): Attachment {
    const begin = from === 'screen' ? ({ screen: true } as const) : from;
    return new Attachment(this.connection, this.id, begin, options, this.attachments, () => this.watchers.subscribed());
  }

  /**
   * Sends input; text as UTF-8. Resolves when the program's queue has taken all of it; after a reconnect it is sent
   * again and acts once. Throws `input_full` when `outboxBytes` already wait here, and what the gateway refuses.
   */
  write(input: string | Uint8Array, options: WriteOptions = {}): Promise<InputReceipt> {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    const lease = this.lease.held?.lease;
    return options.auto === true ? this.outbox.reply(bytes, lease) : this.outbox.write(bytes, lease);
  }

  /**
   * Runs shell text in a session that takes runs (`{ runs: true }`). It starts whether or not anybody reads it: loop
   * over it for its events, await `ended` for how it ended, or come back to it by its `id` with `client.runs.resume`.
   * Sent again after a lost connection, it acts once. With the lease, if it is held here.
   */
  run(command: string, options: RunOptions = {}): Run {
    return this.allRuns.start(this.id, command, options, this.lease.held?.lease);
  }

  /** Its runs, oldest first. */
  async runs(): Promise<RunInfo[]> {
    return await this.allRuns.list(this.id);
  }

  /** What runs in it, background jobs included. */
  async processes(): Promise<ProcessInfo[]> {
    return await this.allRuns.processes(this.id);
  }

  /** Sends a signal (`SIGINT`) to the job in the foreground. Throws `connection_lost` if it may have been lost. */
  async signal(signal: string): Promise<void> {
    await this.connection.request((ref) => ({ t: 'signal', ref, session: this.id, signal, ...this.held() }));
  }

  /** Columns and rows of the terminal. */
  async resize(cols: number, rows: number): Promise<void> {
    await this.connection.request((ref) => ({ t: 'resize', ref, session: this.id, cols, rows, ...this.held() }), {
      resend: true,
    });
  }

  /** Ends the program's input: end of file on a pipe, Ctrl-D on a terminal. Waits for input that was written before. */
  async closeStdin(): Promise<void> {
    await this.outbox.drained();
    await this.connection.request((ref) => ({ t: 'close_stdin', ref, session: this.id, ...this.held() }));
  }

  async info(): Promise<SessionInfo> {
    return await this.http.json({ path: this.path });
  }

  /**
   * What its terminal shows now, or showed at an output offset. Throws `not_a_tty`; with `at` also `offset_ahead` and
   * `gap` (not kept any more), both with numbers, and `asked_again` where later ones were asked for meanwhile.
   */
  async screen({ at, signal }: ScreenOptions = {}): Promise<ShownScreen> {
    const ends = signal === undefined ? {} : { signal };
    return await this.http.json({ path: `${this.path}/screen`, query: { at }, ...ends });
  }

  /** Ends the program and removes the session with its log. */
  async delete(): Promise<void> {
    await this.http.json({ method: 'DELETE', path: this.path });
  }

  /** A piece of the raw output, without following it. */
  async read(options: ReadOptions = {}): Promise<OutputSlice> {
    const { waitMs, ...query } = options;
    return await this.http.send(
      { path: `${this.path}/output`, query: { ...query, wait: waitMs }, waitMs: waitMs ?? 0 },
      async (response) => {
        const next = response.headers.get('Binnacle-Next-Offset');
        if (next === null) throw new BinnacleError('protocol_error', { message: 'The answer names no next offset.' });
        return { bytes: new Uint8Array(await response.arrayBuffer()), nextOffset: Number(next) };
      },
    );
  }

  /** How much it wrote when, in at most so many `points` (1 to 2000, default 400), and what stands out. */
  async timeline({ points, signal }: TimelineOptions = {}): Promise<Timeline> {
    const ends = signal === undefined ? {} : { signal };
    return await this.http.json({ path: `${this.path}/timeline`, query: { points }, ...ends });
  }

  /**
   * Its log as it was written, from one output offset to another, each entry with its time: for replay. Reads no more
   * than half a MiB of output ahead of its reader. Throws `offset_ahead`, `session_gone` and what the gateway refuses.
   */
  entries(options: EntriesOptions = {}): AsyncGenerator<SessionEntry, void> {
    const { backoff, random } = this.connection.settings;
    return readEntries({ http: this.http, path: this.path, backoff, random }, options);
  }

  /** Ends attachments (the gateway is told to stop sending) and gives up the lease. */
  detach(): void {
    for (const attachment of [...this.attachments]) attachment.detach();
    this.lease.drop();
  }

  private get path(): string {
    return `/v1/sessions/${encodeURIComponent(this.id)}`;
  }

  private held(): { lease?: string } {
    const lease = this.lease.held?.lease;
    return lease === undefined ? {} : { lease };
  }
}
