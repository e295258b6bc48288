// The last offers of a plugin, on the disk: a hook that fails closed is in force before the plugin runs again, and even
// if it cannot run.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Log } from '../../base/logger.ts';
import { type Offer, OffersShape } from './offers.ts';

export class StoredOffers {
  readonly #path: string;
  readonly #log: Log;

  constructor(dir: string, plugin: string, log: Log) {
    this.#path = join(dir, `${plugin}.offers.json`);
    this.#log = log;
  }

  /**
   * Returns the stored offers. `hash`: of the installed files. For other files only the hooks count, until the new
   * files have been loaded: neither an update nor a change that prevents loading removes a guard.
   */
  read(hash: string | undefined): readonly Offer[] {
    try {
      const stored = JSON.parse(readFileSync(this.#path, 'utf8')) as { hash?: unknown; offers?: unknown };
      const offers = OffersShape.parse(stored.offers);
      return stored.hash === hash ? offers : offers.filter(({ kind }) => kind === 'hook');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
        this.#log.error(
          { err: error, path: this.#path },
          'what a plugin offered cannot be read: its hooks are not in force',
        );
      }
      return [];
    }
  }

  keep(hash: string, offers: readonly Offer[]): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      // Atomic: a partial write would lose a hook that fails closed.
      writeFileSync(`${this.#path}.new`, JSON.stringify({ hash, offers }), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn({ err: error, path: this.#path }, 'the offers of a plugin could not be stored');
    }
  }

  forget(): void {
    rmSync(this.#path, { force: true });
  }
}
