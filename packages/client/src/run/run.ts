// One run: started once whatever happens to the connection, read as a stream, awaited for its end.

import { BinnacleError, CODES, defined, type RunInfo, type RunRequest } from '@binnacle/protocol';
import type { HttpRequest } from '../transport/http.ts';
import { Operation, type Operations } from '../transport/operation.ts';
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
  readonly #operations: Operations;
  readonly #operation: Operation;
  readonly #origin: RunOrigin;
  readonly #bufferBytes: number;
  readonly #streams = new Set<RunStream>();
  readonly #acceptance: Promise<RunInfo>;
  #accept: (run: RunInfo) => void;
  #refuse: (error: BinnacleError) => void;
  #isAccepted: boolean;
  #final: RunInfo | null = null;
  #ending: Promise<RunInfo> | null = null;

  constructor(operations: Operations, session: string, id: string, origin: RunOrigin, bufferBytes?: number) {
    this.session = session;
    this.id = id;
    this.#operations = operations;
    this.#operation = new Operation(operations, (error) => {
      this.#refuse(error);
      for (const stream of [...this.#streams]) stream.stop();
    });
    this.#origin = origin;
    this.#bufferBytes = bufferBytes ?? operations.settings.bufferBytes;
    this.#accept = () => undefined;
    this.#refuse = () => undefined;
    this.#acceptance = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.#isAccepted = origin.kind === 'known';
    this.#operation.isWatched = origin.kind === 'known';
    this.#operation.report(this.#acceptance);
    if (operations.isClosed) this.stop(new BinnacleError('client_closed'));
    if (origin.kind === 'known') return;
    void this.#operation.during(async () => {
      // Behind this it is known whether the caller reads it: then one request does both.
      await Promise.resolve();
      if (this.#streams.size === 0) await this.#start();
    });
  }

  /**
   * Resolves when the gateway has accepted the run: queued or running. Throws `bad_cwd`, `shell_busy`, `too_many_runs`,
   * `no_runs`, `lease_held`, and `unreachable` after `requestTimeoutMs`.
   */
  get accepted(): Promise<RunInfo> {
    this.#operation.isWatched = true;
    return this.#origin.kind === 'known' ? this.info() : this.#acceptance;
  }

  /**
   * Resolves with the run when it has ended. Throws what `accepted` throws, `session_gone`, `run_not_found`,
   * `client_closed`.
   */
  get ended(): Promise<RunInfo> {
    this.#operation.isWatched = true;
    this.#ending ??= this.#operation.during(() => this.#waitForEnd());
    return this.#ending;
  }

  /** Returns the current state of the run. Throws `run_not_found`. */
  async info(): Promise<RunInfo> {
    this.#operation.isWatched = true;
    if (this.#origin.kind === 'new') await this.#acceptance;
    return this.#final ?? (await this.#operations.http.json({ path: this.#path }));
  }

  /**
   * Interrupts the command, then kills it; the session goes on. Resolves when the run has ended, at once if it has
   * ended before.
   */
  async cancel(): Promise<RunInfo> {
    this.#operation.isWatched = true;
    if (this.#origin.kind === 'new') await this.#acceptance;
    const run = await this.#operations.http.json<RunInfo>({
      method: 'DELETE',
      path: this.#path,
      headers: this.#headers,
    });
    this.#final = run;
    return run;
  }

  /** Each loop over it reads from its beginning, or from where it was resumed. */
  [Symbol.asyncIterator](): RunStream {
    this.#operation.isWatched = true;
    const stream: RunStream = new RunStream({
      operations: this.#operations,
      about: { session: this.session, run: this.id },
      bufferBytes: this.#bufferBytes,
      request: (position) => this.#request(position),
      mayRetry: (error) => this.#mayTryAgain(error),
      onEvent: (event) => {
        if (event.type === 'end') this.#final = event.run;
        if (event.type === 'run' || event.type === 'end') this.#accepts(event.run);
      },
      closed: (error) => {
        this.#streams.delete(stream);
        // The request may have arrived, so its effect is unknown.
        if (!this.#isAccepted) this.#refuse(error ?? new BinnacleError('connection_lost'));
        this.#operation.done();
      },
    });
    this.#streams.add(stream);
    this.#operation.begin();
    return stream;
  }

  /** Ends what is in progress here. The run itself goes on. */
  stop(error: BinnacleError): void {
    this.#operation.stop(error);
  }

  /** Retries at once what waits for the network. */
  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  #accepts(run: RunInfo): void {
    this.#isAccepted = true;
    this.#accept(run);
  }

  /** Sent again and again under one id, it acts once. */
  async #start(): Promise<void> {
    try {
      const request = { ...this.#post, signal: this.#operation.signal };
      this.#accepts(await this.#persist(request));
    } catch (error) {
      this.#refuse(BinnacleError.of(error));
    }
  }

  async #waitForEnd(): Promise<RunInfo> {
    if (this.#origin.kind === 'new') await this.#acceptance;
    while (this.#final === null) {
      const { signal } = this.#operation;
      try {
        const run = await this.#persist({ path: this.#path, query: { wait: WAIT_MS }, waitMs: WAIT_MS, signal });
        if (run.state === 'ended') this.#final = run;
      } catch (error) {
        // A stream of ours may have been quicker.
        if (this.#final === null) throw error;
      }
    }
    return this.#final;
  }

  #persist(request: HttpRequest): Promise<RunInfo> {
    return this.#operation.persist(
      () => this.#operations.http.json<RunInfo>(request),
      (error) => this.#final === null && this.#mayTryAgain(error),
    );
  }

  /** Returns whether to retry. Before acceptance a refusal counts at once, and there is a deadline. */
  #mayTryAgain(error: BinnacleError): boolean {
    if (this.#operation.signal.aborted) return false;
    return this.#isAccepted ? CODES[error.code].retry : this.#operation.mayBegin(error);
  }

  #request(position: string | null): HttpRequest {
    this.#operation.signal.throwIfAborted();
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
    return defined({ 'Binnacle-Lease': lease });
  }

  get #list(): string {
    return `/v1/sessions/${encodeURIComponent(this.session)}/runs`;
  }

  get #path(): string {
    return `${this.#list}/${encodeURIComponent(this.id)}`;
  }
}
