// Runs of any session: start, come back to, list. Knows no WebSocket.

import { BinnacleError, type ProcessInfo, type RunInfo } from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { randomId } from '../transport/random-id.ts';
import { Run, type RunFrom, type RunOptions, type RunParts } from './run.ts';

export class Runs {
  private readonly parts: RunParts;
  private isClosed: boolean;

  constructor(connection: Connection, http: Http) {
    this.parts = { http, settings: connection.settings, events: connection.events, open: new Set() };
    this.isClosed = false;
  }

  /** A run that is there: read it from an offset or a position on (default: its start), wait for its end, cancel it. */
  resume(session: string, run: string, from: RunFrom & Pick<RunOptions, 'bufferBytes'> = {}): Run {
    const { bufferBytes, ...place } = from;
    if (place.since !== undefined && place.position !== undefined) {
      throw new BinnacleError('bad_request', { message: 'Pass one of since and position.' });
    }
    return this.made(new Run(this.parts, session, run, { kind: 'known', from: place }, bufferBytes));
  }

  /** Of the session, oldest first. */
  async list(session: string): Promise<RunInfo[]> {
    return (await this.parts.http.json<{ runs: RunInfo[] }>({ path: `${pathOf(session)}/runs` })).runs;
  }

  /** As it is now. */
  async get(session: string, run: string): Promise<RunInfo> {
    return await this.parts.http.json({ path: `${pathOf(session)}/runs/${encodeURIComponent(run)}` });
  }

  /** What runs in the session, besides what is ours. */
  async processes(session: string): Promise<ProcessInfo[]> {
    const path = `${pathOf(session)}/processes`;
    return (await this.parts.http.json<{ processes: ProcessInfo[] }>({ path })).processes;
  }

  /** `Session.run` calls it, with the lease that is held. */
  start(session: string, command: string, options: RunOptions, lease: string | undefined): Run {
    const { id = randomId(), bufferBytes, ...rest } = options;
    const body = { ...rest, id, command };
    return this.made(new Run(this.parts, session, id, { kind: 'new', body, lease }, bufferBytes));
  }

  wake(): void {
    for (const run of this.parts.open) run.wake();
  }

  /** The client is closed. */
  stop(): void {
    this.isClosed = true;
    for (const run of [...this.parts.open]) run.stop(new BinnacleError('client_closed'));
  }

  private made(run: Run): Run {
    if (this.isClosed) run.stop(new BinnacleError('client_closed'));
    return run;
  }
}

const pathOf = (session: string): string => `/v1/sessions/${encodeURIComponent(session)}`;
