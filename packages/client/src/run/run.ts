// One run: started once whatever happens to the connection, read as a stream, awaited for its end.

import { BinnacleError, CODES, type RunInfo, type RunRequest } from '@binnacle/protocol';
import type { Emitter } from '../transport/event-emitter.ts';
import type { Http, HttpRequest } from '../transport/http.ts';
import type { Settings } from '../transport/options.ts';
import { backoffDelay } from '../transport/reconnect.ts';
import { RunStream, type RunStreamEvent } from './stream.ts';

/** Options of `Session.run`. */
export interface RunOptions extends Omit<RunRequest, 'command'> {
  /**
   * Fate of a run that is read from its beginning when the connection is lost or the loop is left before its
   * end: it goes on (`detach`, default) or is cancelled (`cancel`).
   */
  readonly onDisconnect?: 'detach' | 'cancel';
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
}

/** Start of the reading: an output offset of the session, a position, or (neither) the start of the run. */
export interface RunFrom {
  /** Output offset of the session. */
  readonly since?: number;
  /** Position in the session's log. */
  readonly position?: string;
}

/** Parts that runs share. */
export interface RunParts {
  readonly http: Http;
  readonly settings: Settings;
  /** Receives errors that no call waits for. */
  readonly events: Emitter<{ error: BinnacleError }>;
  /** Runs that are in progress here, so that closing the client ends them. */
  readonly open: Set<Run>;
}

/** A run to be started, or an existing one. */
export type RunOrigin =
  | { readonly kind: 'new'; readonly body: object; readonly lease: string | undefined }
  | { readonly kind: 'known'; readonly from: RunFrom };

/** Less than the 60 s after which common proxies cut a request. */
const WAIT_MS = 50_000;

/**
 * One command in a session that takes runs. It goes on in the gateway whether or not anyone reads it.
 *
 * @example
 * ```ts
 * const run = session.run('make');
 * await run.accepted;
 * // … later, in another process, by the two ids:
 * const same = binnacle.runs.resume(session.id, run.id);
 * const { outcome, exitCode } = await same.ended;
 * console.log(outcome, exitCode);
 * ```
 */
export class Run implements AsyncIterable<RunStreamEvent> {
  /** Id of the session. */
  readonly session: string;
  /** Id of the run. */
  readonly id: string;
  readonly #parts: RunParts;
  readonly #origin: RunOrigin;
  readonly #bufferBytes: number;
  readonly #streams = new Set<RunStream>();
  readonly #abort = new AbortController();
  readonly #acceptance: Promise<RunInfo>;
  #accept: (run: RunInfo) => void;
  #refuse: (error: BinnacleError) => void;
  #isAccepted: boolean;
  #isWatched: boolean;
  /** Milliseconds, until when a start is tried again. */
  readonly #deadline: number;
  #final: RunInfo | null = null;
  #ending: Promise<RunInfo> | null = null;
  /** Number of requests in progress here. */
  #doing = 0;

  constructor(parts: RunParts, session: string, id: string, origin: RunOrigin, bufferBytes?: number) {
    this.session = session;
    this.id = id;
    this.#parts = parts;
    this.#origin = origin;
    this.#bufferBytes = bufferBytes ?? parts.settings.bufferBytes;
    this.#accept = () => undefined;
    this.#refuse = () => undefined;
    this.#acceptance = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.#isAccepted = origin.kind === 'known';
    this.#isWatched = origin.kind === 'known';
    this.#deadline = parts.settings.now() + parts.settings.requestTimeoutMs;
    this.#acceptance.catch((error: BinnacleError) => {
      if (!this.#isWatched) parts.events.emit('error', error);
    });
    if (origin.kind === 'known') return;
    this.#begin();
    // By then it is known whether the caller reads it: then one request does both.
    queueMicrotask(() => {
      if (this.#streams.size === 0) void this.#start().finally(() => this.#done());
      else this.#done();
    });
  }

  /**
   * Resolves when the gateway has accepted the run: queued or running. Throws `bad_cwd`, `shell_busy`, `too_many_runs`,
   * `no_runs`, `lease_held`, and `unreachable` after `requestTimeoutMs`.
   */
  get accepted(): Promise<RunInfo> {
    this.#isWatched = true;
    return this.#origin.kind === 'known' ? this.info() : this.#acceptance;
  }

  /**
   * Resolves with the run when it has ended. Throws what `accepted` throws, `session_gone`, `run_not_found`,
   * `client_closed`.
   */
  get ended(): Promise<RunInfo> {
    this.#isWatched = true;
    if (this.#ending === null) {
      this.#begin();
      this.#ending = this.#waitForEnd().finally(() => this.#done());
    }
    return this.#ending;
  }

  /** Returns the current state of the run. Throws `run_not_found`. */
  async info(): Promise<RunInfo> {
    this.#isWatched = true;
    if (this.#origin.kind === 'new') await this.#acceptance;
    return this.#final ?? (await this.#parts.http.json({ path: this.#path }));
  }

  /**
   * Interrupts the command, then kills it; the session goes on. Resolves when the run has ended, at once if it has
   * ended before.
   */
  async cancel(): Promise<RunInfo> {
    this.#isWatched = true;
    if (this.#origin.kind === 'new') await this.#acceptance;
    const run = await this.#parts.http.json<RunInfo>({ method: 'DELETE', path: this.#path, headers: this.#headers });
    this.#final = run;
    return run;
  }

  /** Each loop over it reads from its beginning, or from where it was resumed. */
  [Symbol.asyncIterator](): RunStream {
    this.#isWatched = true;
    const parts = this.#parts;
    const stream: RunStream = new RunStream({
      http: parts.http,
      settings: parts.settings,
      about: { session: this.session, run: this.id },
      bufferBytes: this.#bufferBytes,
      request: (position) => this.#request(position),
      mayRetry: (error) => this.#mayTryAgain(error),
      onEvent: (event) => {
        if (event.type === 'end') this.#final = event.run;
        if (event.type === 'run' || event.type === 'end') this.#accepts(event.run);
      },
      report: (error) => parts.events.emit('error', error),
      closed: (error) => {
        this.#streams.delete(stream);
        // The request may have arrived, so its effect is unknown.
        if (!this.#isAccepted) this.#refuse(error ?? new BinnacleError('connection_lost'));
        this.#done();
      },
    });
    this.#streams.add(stream);
    this.#begin();
    return stream;
  }

  /** Ends what is in progress here. The run itself goes on. */
  stop(error: BinnacleError): void {
    this.#isWatched = true;
    this.#refuse(error);
    this.#abort.abort(error);
    for (const stream of [...this.#streams]) stream.stop();
  }

  /** Retries at once what waits for the network. */
  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  #accepts(run: RunInfo): void {
    this.#isAccepted = true;
    this.#accept(run);
  }

  #begin(): void {
    this.#doing += 1;
    this.#parts.open.add(this);
  }

  #done(): void {
    this.#doing -= 1;
    if (this.#doing === 0) this.#parts.open.delete(this);
  }

  /** Sent again and again under one id, it acts once. */
  async #start(): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      try {
        this.#accepts(await this.#parts.http.json<RunInfo>({ ...this.#post, ...this.#signal }));
        return;
      } catch (cause) {
        const error = known(cause);
        if (!this.#mayTryAgain(error)) {
          this.#refuse(error);
          return;
        }
        await this.#pause(failures);
      }
    }
  }

  async #waitForEnd(): Promise<RunInfo> {
    if (this.#origin.kind === 'new') await this.#acceptance;
    for (let failures = 0; this.#final === null; ) {
      try {
        const request = { path: this.#path, query: { wait: WAIT_MS }, waitMs: WAIT_MS, ...this.#signal };
        const run = await this.#parts.http.json<RunInfo>(request);
        failures = 0;
        if (run.state === 'ended') this.#final = run;
      } catch (cause) {
        const error = known(cause);
        // A stream of ours may have been quicker.
        if (this.#final !== null) break;
        if (!this.#mayTryAgain(error)) throw this.#abort.signal.aborted ? this.#abort.signal.reason : error;
        await this.#pause(failures);
        failures += 1;
      }
    }
    return this.#final;
  }

  /** Returns whether to retry. Before acceptance a refusal counts at once, and there is a deadline. */
  #mayTryAgain({ code }: BinnacleError): boolean {
    if (this.#abort.signal.aborted) return false;
    if (this.#isAccepted) return CODES[code].retry;
    return CODES[code].status === 503 && this.#parts.settings.now() < this.#deadline;
  }

  #pause(failures: number): Promise<void> {
    const { random, backoff } = this.#parts.settings;
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, backoffDelay(failures, random(), backoff));
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  }

  #request(position: string | null): HttpRequest {
    this.#abort.signal.throwIfAborted();
    if (!this.#isAccepted) {
      const headers = { ...this.#headers, Accept: 'text/event-stream' };
      return { ...this.#post, headers, query: { format: 'sse', encoding: 'base64' } };
    }
    const from = position !== null ? { position } : this.#origin.kind === 'known' ? this.#origin.from : {};
    return { path: `${this.#path}/output`, query: { format: 'sse', encoding: 'base64', ...from } };
  }

  get #post(): HttpRequest {
    const body = this.#origin.kind === 'new' ? this.#origin.body : {};
    return { method: 'POST', path: this.#list, headers: this.#headers, body };
  }

  get #headers(): Readonly<Record<string, string>> {
    const lease = this.#origin.kind === 'new' ? this.#origin.lease : undefined;
    return lease === undefined ? {} : { 'Binnacle-Lease': lease };
  }

  get #signal(): { readonly signal: AbortSignal } {
    return { signal: this.#abort.signal };
  }

  get #list(): string {
    return `/v1/sessions/${encodeURIComponent(this.session)}/runs`;
  }

  get #path(): string {
    return `${this.#list}/${encodeURIComponent(this.id)}`;
  }
}

const known = (cause: unknown): BinnacleError =>
  cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
