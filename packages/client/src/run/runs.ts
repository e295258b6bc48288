// Runs of any session: start, resume, list. Knows no WebSocket.

import { BinnacleError, type ProcessInfo, type RunInfo } from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { Operations } from '../transport/operation.ts';
import { randomId } from '../transport/random-id.ts';
import { Run, type RunFrom, type RunOptions } from './run.ts';

/** Commands in sessions that take runs, as `Binnacle.runs`. `Session.run` starts one. */
export class Runs {
  readonly #operations: Operations;

  constructor(connection: Connection, http: Http) {
    this.#operations = new Operations(http, connection);
  }

  /**
   * Returns a handle to an existing run: read it from an offset or a position on (default: its start), await its end,
   * cancel it.
   *
   * @example
   * ```ts
   * const run = binnacle.runs.resume('SESSION', 'RUN', { since: 4096 });
   * for await (const event of run) {
   *   if (event.type === 'output') process.stdout.write(event.bytes);
   *   if (event.type === 'end') console.log(event.run.exitCode);
   * }
   * ```
   */
  resume(session: string, run: string, from: RunFrom & Pick<RunOptions, 'bufferBytes'> = {}): Run {
    const { bufferBytes, ...place } = from;
    if (place.since !== undefined && place.position !== undefined) {
      throw new BinnacleError('bad_request', { message: 'Pass one of since and position.' });
    }
    return new Run(this.#operations, session, run, { kind: 'known', from: place }, bufferBytes);
  }

  /** Returns the runs of a session, oldest first. Throws `session_not_found`, `no_runs`. */
  async list(session: string): Promise<RunInfo[]> {
    return (await this.#operations.http.json<{ runs: RunInfo[] }>({ path: `${pathOf(session)}/runs` })).runs;
  }

  /** Returns the current state of a run. Throws `run_not_found`. */
  async get(session: string, run: string): Promise<RunInfo> {
    return await this.#operations.http.json({ path: `${pathOf(session)}/runs/${encodeURIComponent(run)}` });
  }

  /** Returns the processes of a session without those of the gateway. */
  async processes(session: string): Promise<ProcessInfo[]> {
    const path = `${pathOf(session)}/processes`;
    return (await this.#operations.http.json<{ processes: ProcessInfo[] }>({ path })).processes;
  }

  /** Starts a run. `Session.run` calls it, with its lease. */
  start(session: string, command: string, options: RunOptions, lease: string | undefined): Run {
    const { id = randomId(), bufferBytes, ...rest } = options;
    const body = { ...rest, id, command };
    return new Run(this.#operations, session, id, { kind: 'new', body, lease }, bufferBytes);
  }

  /** Retries at once what waits for the network. */
  wake(): void {
    this.#operations.wake();
  }

  /** Ends what is in progress here when the client is closed. */
  stop(): void {
    this.#operations.stop();
  }
}

const pathOf = (session: string): string => `/v1/sessions/${encodeURIComponent(session)}`;
