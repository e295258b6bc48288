// What is known of each run, on disk: whoever asks reads it there, also after the session or its runner has ended.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunId, type RunInfo } from '@binnacle/protocol';

const FOLDER = 'runs';

/** The runs of one session; `dir` is the session's. */
export class RunRecords {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = join(dir, FOLDER);
  }

  make(): void {
    mkdirSync(this.#dir, { mode: 0o700 });
  }

  write(run: RunInfo): void {
    const path = join(this.#dir, `${run.id}.json`);
    writeFileSync(`${path}.new`, JSON.stringify(run), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Undefined when there is none by that id, or none any more. */
  read(id: string): RunInfo | undefined {
    if (!isRunId(id)) return undefined;
    try {
      return JSON.parse(readFileSync(join(this.#dir, `${id}.json`), 'utf8')) as RunInfo;
    } catch {
      return undefined; // Never there, or removed in between.
    }
  }

  /** Oldest first. */
  list(): RunInfo[] {
    let names: string[];
    try {
      names = readdirSync(this.#dir);
    } catch {
      return []; // A session that takes no runs.
    }
    const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    const runs = ids.map((id) => this.read(id)).filter((run) => run !== undefined);
    return runs.sort((a, b) => a.queuedAt - b.queuedAt || (a.id < b.id ? -1 : 1));
  }

  remove(id: string): void {
    rmSync(join(this.#dir, `${id}.json`), { force: true });
  }
}
