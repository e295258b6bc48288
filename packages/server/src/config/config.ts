// The config file of a gateway: what is in force now, and another one as soon as the file is changed.

import { type FSWatcher, readFileSync, type Stats, statSync, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import type { Router } from '../routing/index.ts';
import { type EditPath, editConfigFile } from './edit.ts';
import { readJsonc } from './jsonc.ts';
import { type AlsoWrong, type ConfigProblem, MAX_CONFIG_BYTES, NO_FILE, type ReadConfig, readConfig } from './parse.ts';
import type { ConfigFile } from './schema.ts';

export interface ConfigOptions {
  readonly path: string;
  /** The file was named by somebody, so its absence is an error. Default: without it one agent echoes. */
  readonly isRequired?: boolean;
  readonly log: { warn(details: object, message: string): void; info(details: object, message: string): void };
  /** Editors write in several steps. Default 50 ms after the last. */
  readonly debounceMs?: number;
  /** Where the system tells nothing (network disks, links to elsewhere) the file is looked at so often. Default 2000. */
  readonly pollMs?: number;
}

type Listener = (file: ConfigFile) => void;

export class Config {
  readonly path: string;
  readonly #log: ConfigOptions['log'];
  readonly #debounceMs: number;
  readonly #listeners = new Set<Listener>();
  readonly #poll: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #inForce: ReadConfig;
  /** Why the file as it is now is not in force; empty where it is. */
  #refused: readonly ConfigProblem[];
  #seen: string;
  /** Edits are done one behind the other. */
  #edited: Promise<unknown> = Promise.resolve();
  #raw: { readonly stamp: string; readonly value: unknown } | undefined;

  /** Throws `bad_config`, with the line and column in its message. */
  static open(options: ConfigOptions): Config {
    const path = resolve(options.path);
    // The stamp is of before the reading: what changes meanwhile is seen as a change.
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
    this.#tell();
    this.#watch();
    this.#poll = setInterval(() => this.#look(), options.pollMs ?? 2000);
    this.#poll.unref();
  }

  /** Frozen. Another object after each change. */
  get current(): ConfigFile {
    return this.#inForce.file;
  }

  /** Of `current`; made once. */
  get router(): Router {
    return this.#inForce.router;
  }

  /** First, if the file is not in force as it is now, why. Then what of the file in force was passed over. */
  get problems(): readonly ConfigProblem[] {
    return [...this.#refused, ...this.#inForce.problems];
  }

  /** Called after another file is in force; not for one that is refused. Returns what ends it. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the file now. True where it is in force; else the one before stays, and `problems` says why. */
  reload(): boolean {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seen = stampOf(this.path);
    // Who never asks for it again does not keep it.
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
    this.#log.info({ path: this.path }, 'The config file was read again.');
    this.#tell();
    for (const listener of this.#listeners) {
      try {
        listener(this.current);
      } catch (error) {
        // One listener's fault must not keep the others from hearing.
        this.#log.warn({ err: error }, 'A listener failed when the config file changed.');
      }
    }
    return true;
  }

  /**
   * Sets one key of the file, or takes it away (undefined); it is in force when this settles. Throws `bad_config` for
   * what would not be, `config_not_writable`, `disk_full`. Comments and formatting stay.
   */
  edit(path: EditPath, value: unknown): Promise<void> {
    const done = this.#edited.then(async () => {
      const isChanged = await editConfigFile(this.path, path, value);
      // Where somebody has overwritten it meanwhile with what is refused, that is told as ever.
      if (isChanged || stampOf(this.path) !== this.#seen) this.reload();
    });
    this.#edited = done.catch(() => undefined);
    return done;
  }

  /** What the file says, as it stands there; undefined where there is none. Not to be changed. Throws `bad_config`. */
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
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    this.#watcher?.close();
    this.#listeners.clear();
  }

  #refuse(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    // Made in parse.ts, of this shape.
    const known = error instanceof BinnacleError ? (error.details?.problems as ConfigProblem[] | undefined) : undefined;
    this.#refused = known ?? [{ path: '', line: 1, column: 1, message }];
    this.#log.warn(
      { path: this.path, problems: this.#refused },
      `The config file is refused, the last good one stays: ${message}`,
    );
  }

  #tell(): void {
    for (const problem of this.#inForce.problems) {
      this.#log.warn({ path: this.path, problem }, `Config file, line ${problem.line}: ${problem.message}`);
    }
  }

  /** The directory, not the file: an editor that renames a new file into place leaves a watcher of the file behind. */
  #watch(): void {
    try {
      const name = basename(this.path);
      this.#watcher = watch(dirname(this.path), { persistent: false }, (_, changed) => {
        if (changed === null || changed === name) this.#soon();
      });
      this.#watcher.on('error', (error) => this.#unwatched(error));
    } catch (error) {
      this.#unwatched(error);
    }
  }

  #unwatched(error: unknown): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#log.warn({ err: error, path: this.path }, 'The config file cannot be watched; it is looked at now and then.');
  }

  #look(): void {
    if (stampOf(this.path) !== this.#seen) this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (stampOf(this.path) !== this.#seen) this.reload();
    }, this.#debounceMs);
    this.#timer.unref();
  }
}

/** What is in force by a file at the start. Throws `bad_config`, with the file, the line and the column in its message. */
export function loadConfig(path: string, isRequired: boolean, alsoWrong?: AlsoWrong): ReadConfig {
  try {
    const text = readFile(path);
    if (text !== undefined) return readConfig(text, alsoWrong);
    if (isRequired)
      throw new BinnacleError('bad_config', { message: 'There is no such file.', hint: 'Check --config.' });
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

/** Undefined where there is none. Throws `bad_config` for what cannot be read. */
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

/** Changes with whatever is changed. A file that is replaced has another inode, one that is rewritten another time. */
function stampOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs }: Stats = statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch {
    // Not there, or not to be seen: `reload` finds out why, and says so.
    return '';
  }
}
