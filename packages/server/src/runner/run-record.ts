// The records of runs on disk, which can be read also after the end of the session or its runner.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BinnacleError,
  isRunId,
  type RunId,
  type RunInfo,
  type RunRequest,
  SHOWN_COMMAND_LENGTH,
} from '@binnacle/protocol';

const FOLDER = 'runs';
/** Delay before a retry on a full disk. */
const DISK_RETRY_MS = 100;

/** The runs of one session; `dir` is the session's directory. */
export class RunRecords {
  readonly #dir: string;
  /** Records that a full disk refused: the newest of each run. */
  readonly #unwritten = new Map<string, RunInfo>();
  #retry: NodeJS.Timeout | undefined;

  constructor(dir: string) {
    this.#dir = join(dir, FOLDER);
  }

  make(): void {
    mkdirSync(this.#dir, { mode: 0o700 });
  }

  /** Writes a record. On a full disk, retries until there is room: the log waits for room as well. */
  write(run: RunInfo): void {
    const path = join(this.#dir, `${run.id}.json`);
    try {
      writeFileSync(`${path}.new`, JSON.stringify(run), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      this.#unwritten.delete(run.id);
    } catch {
      this.#unwritten.set(run.id, run);
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        for (const late of [...this.#unwritten.values()]) this.write(late);
      }, DISK_RETRY_MS);
    }
  }

  /** Returns undefined if there is no record with that id. */
  read(id: string): RunInfo | undefined {
    if (!isRunId(id)) return undefined;
    try {
      return JSON.parse(readFileSync(join(this.#dir, `${id}.json`), 'utf8')) as RunInfo;
    } catch {
      return undefined; // Never written, or removed meanwhile.
    }
  }

  /** Lists all records, oldest first. */
  list(): RunInfo[] {
    let names: string[];
    try {
      names = readdirSync(this.#dir);
    } catch {
      return []; // The session takes no runs.
    }
    const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    const runs = ids.map((id) => this.read(id)).filter((run) => run !== undefined);
    return runs.sort((a, b) => a.queuedAt - b.queuedAt || (a.id < b.id ? -1 : 1));
  }

  remove(id: string): void {
    rmSync(join(this.#dir, `${id}.json`), { force: true });
  }
}

/**
 * Returns the known run for a repeated request (idempotent). Throws `run_exists` if the id belongs to another command.
 */
export function sameRun(known: RunInfo, request: RunRequest): RunInfo {
  if (known.command === request.command.slice(0, SHOWN_COMMAND_LENGTH)) return known;
  throw new BinnacleError('run_exists');
}

/** Returns the first record of a requested run, in the state `queued`. */
export const newRun = (id: RunId, session: RunInfo['session'], request: RunRequest, by: string): RunInfo => ({
  id,
  session,
  command: request.command.slice(0, SHOWN_COMMAND_LENGTH),
  by,
  state: 'queued',
  queuedAt: Date.now(),
  startedAt: null,
  endedAt: null,
  durationMs: null,
  position: null,
  startOffset: null,
  endOffset: null,
  exitCode: null,
  outcome: null,
  reset: false,
  cwd: null,
});
