// The config file of a gateway: the settings in force, and their replacement after a change of the file.

import { type FSWatcher, readFileSync, type Stats, statSync, watch } from 'node:fs';
import { resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { SerialQueue } from '../base/serial-queue.ts';
import { Timer } from '../base/timer.ts';
import type { Router } from '../routing/index.ts';
import { type EditPath, editConfigFile } from './edit.ts';
import { readJsonc } from './jsonc.ts';
import { type AlsoWrong, type ConfigProblem, MAX_CONFIG_BYTES, NO_FILE, type ReadConfig, readConfig } from './parse.ts';
import type { ConfigFile } from './schema.ts';

export interface ConfigOptions {
  readonly path: string;
  /** True if the operator named the file, so that its absence is an error. Default: without a file one agent echoes. */
  readonly isRequired?: boolean;
  readonly log: { warn(details: object, message: string): void; info(details: object, message: string): void };
  /** Debounce after the last change, because editors write in several steps. Default 50 ms. */
  readonly debounceMs?: number;
  /** Interval of polling, for a file that is not there yet and places without file events (network disks). Default 2000. */
  readonly pollMs?: number;
}

type Listener = (file: ConfigFile) => void;

export class Config {
  readonly path: string;
  readonly #log: ConfigOptions['log'];
  readonly #debounceMs: number;
  readonly #listeners = new Set<Listener>();
  readonly #poll: NodeJS.Timeout;
  /** Undefined while there is no file, and where files cannot be watched. */
  #watcher: FSWatcher | undefined;
  /** False once the system has refused to watch the file. */
  #isWatchable = true;
  readonly #timer = new Timer();
  /** An edit may go on after the end. */
  #isClosed = false;
  #inForce: ReadConfig;
  /** The problems for which the current file is not in force; empty if it is. */
  #refused: readonly ConfigProblem[];
  #seen: string;
  /** Queue of edits, which run one after the other. */
  readonly #edits = new SerialQueue();
  #raw: { readonly stamp: string; readonly value: unknown } | undefined;

  /** Throws `bad_config`, with the line and column in its message. */
  static open(options: ConfigOptions): Config {
    const path = resolve(options.path);
    // The stamp is older than the read: a change in between is detected.
    const stamp = stampOf(path);
    return new Config(path, loadConfig(path, options.isRequired === true), stamp, options);
  }

  private constructor(path: string, inForce: ReadConfig, stamp: string, options: ConfigOptions) {
    this.path = path;
    this.#log = options.log;
    this.#debounceMs = options.debounceMs ?? 50;
    this.#inForce = inForce;
    this.#refused = [];
    this.#seen = stamp;
    this.#logProblems();
    this.#watch();
    this.#poll = setInterval(() => this.#checkForChange(), options.pollMs ?? 2000);
    this.#poll.unref();
  }

  /** The settings in force, frozen. A new object after each change. */
  get current(): ConfigFile {
    return this.#inForce.file;
  }

  /** The router for `current`. */
  get router(): Router {
    return this.#inForce.router;
  }

  /** First the problems for which the current file is not in force, then the ignored parts of the file in force. */
  get problems(): readonly ConfigProblem[] {
    return [...this.#refused, ...this.#inForce.problems];
  }

  /** Adds a listener for new settings in force; refused files do not call it. Returns the function that removes it. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads the file now. Returns true if it is in force; otherwise the previous one stays, and `problems` has the
   * reason.
   */
  reload(): boolean {
    this.#timer.clear();
    this.#watch();
    this.#seen = stampOf(this.path);
    // Frees the raw value, which may never be requested again.
    this.#raw = undefined;
    try {
      const text = readFile(this.path);
      if (text === undefined) throw new BinnacleError('bad_config', { message: 'The file is gone.' });
      this.#inForce = readConfig(text);
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    this.#refused = [];
    this.#log.info({ path: this.path }, 'The config file was reloaded.');
    this.#logProblems();
    for (const listener of this.#listeners) {
      try {
        listener(this.current);
      } catch (error) {
        // A failure of one listener must not affect the others.
        this.#log.warn({ err: error }, 'A listener failed when the config file changed.');
      }
    }
    return true;
  }

  /**
   * Sets one key of the file, or removes it (undefined); the change is in force when the promise settles. Throws
   * `bad_config` for a change that could not be in force, `config_not_writable`, `disk_full`. Comments and formatting
   * stay.
   */
  edit(path: EditPath, value: unknown): Promise<void> {
    return this.#edits.run(async () => {
      const isChanged = await editConfigFile(this.path, path, value);
      // Another program may have written a file that is refused: the reload reports that as usual.
      if (isChanged || stampOf(this.path) !== this.#seen) this.reload();
    });
  }

  /** The raw content of the file; undefined without a file. Read-only. Throws `bad_config`. */
  get raw(): unknown {
    const stamp = stampOf(this.path);
    if (this.#raw?.stamp === stamp) return this.#raw.value;
    const text = readFile(this.path);
    const read = text === undefined ? undefined : readJsonc(text.replace(/^\uFEFF/, ''));
    if (read !== undefined && 'wrong' in read) throw new BinnacleError('bad_config', { message: read.wrong.what });
    this.#raw = { stamp, value: read?.value };
    return this.#raw.value;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.clear();
    clearInterval(this.#poll);
    this.#watcher?.close();
    this.#listeners.clear();
  }

  #refuse(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    // Made in parse.ts, with this type.
    const known = error instanceof BinnacleError ? (error.details?.problems as ConfigProblem[] | undefined) : undefined;
    this.#refused = known ?? [{ path: '', line: 1, column: 1, message }];
    this.#log.warn(
      { path: this.path, problems: this.#refused },
      `The config file is refused; the last valid one stays in force: ${message}`,
    );
  }

  #logProblems(): void {
    for (const problem of this.#inForce.problems) {
      this.#log.warn({ path: this.path, problem }, `Config file, line ${problem.line}: ${problem.message}`);
    }
  }

  /**
   * Watches the file, not its directory: that is the data directory, where each commit of the catalogue or the search
   * index would wake this process. Each reload watches again, because another file may have taken the place of the
   * watched one. A missing file is polled.
   */
  #watch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (!this.#isWatchable || this.#isClosed) return;
    try {
      this.#watcher = watch(this.path, { persistent: false }, () => this.#soon());
      this.#watcher.on('error', (error) => this.#unwatched(error));
    } catch (error) {
      // A file that is missing, or may not be read for a moment, is watched after the next change.
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ENOENT' && code !== 'EACCES') this.#unwatched(error);
    }
  }

  #unwatched(error: unknown): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#isWatchable = false;
    this.#log.warn({ err: error, path: this.path }, 'The config file cannot be watched; it is polled instead.');
  }

  #checkForChange(): void {
    if (stampOf(this.path) !== this.#seen) this.#soon();
  }

  #soon(): void {
    this.#timer.set(this.#debounceMs, () => {
      if (stampOf(this.path) !== this.#seen) this.reload();
    });
  }
}

/**
 * Returns the settings of a file at the start. Throws `bad_config`, with the file, the line and the column in its
 * message.
 */
export function loadConfig(path: string, isRequired: boolean, alsoWrong?: AlsoWrong): ReadConfig {
  try {
    const text = readFile(path);
    if (text !== undefined) return readConfig(text, alsoWrong);
    if (isRequired)
      throw new BinnacleError('bad_config', { message: 'The config file does not exist.', hint: 'Check --config.' });
    return readConfig(NO_FILE);
  } catch (error) {
    if (!(error instanceof BinnacleError)) throw error;
    const details = { ...error.details, file: path };
    throw new BinnacleError('bad_config', {
      message: `${path}: ${error.message}`,
      hint: error.hint,
      details,
      cause: error,
    });
  }
}

/** Returns undefined without a file. Throws `bad_config` for an unreadable file. */
function readFile(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MAX_CONFIG_BYTES) {
      throw new BinnacleError('bad_config', { message: `The file has ${size} bytes; ${MAX_CONFIG_BYTES} are taken.` });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof BinnacleError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new BinnacleError('bad_config', {
      message: `The file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}

/**
 * Returns a text that changes with every change of the file: a replaced file has another inode, a rewritten one another
 * time.
 */
function stampOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs }: Stats = statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch {
    // Absent or inaccessible: `reload` finds and reports the reason.
    return '';
  }
}
