// Storage of plugins: values by key, separate per plugin and limited in size.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, type Statement, toDisk } from './sqlite.ts';

export interface PluginStorageLimits {
  /** Maximum bytes of keys and values together. */
  readonly maxBytes: number;
  readonly maxKeys: number;
}

export const PLUGIN_STORAGE_LIMITS: PluginStorageLimits = { maxBytes: 8 * 1024 * 1024, maxKeys: 10_000 };

interface Usage {
  readonly keys: number;
  readonly bytes: number;
}

export class PluginStorage {
  readonly #limits: PluginStorageLimits;
  readonly #get: Statement;
  readonly #put: Statement;
  readonly #size: Statement;
  readonly #remove: Statement;
  readonly #keys: Statement;
  readonly #sum: Statement;
  readonly #clear: Statement;
  /** Usage by plugin, a cache of the sums over the rows: counting 10 000 rows on each write would be noticeable. */
  readonly #usage = new Map<string, Usage>();

  constructor(db: Database, limits: PluginStorageLimits = PLUGIN_STORAGE_LIMITS) {
    this.#limits = limits;
    this.#get = db.prepare('SELECT value FROM plugin_storage WHERE plugin = ? AND key = ?');
    this.#put = db.prepare(
      `INSERT INTO plugin_storage (plugin, key, value, bytes) VALUES (?, ?, ?, ?)
       ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes`,
    );
    this.#size = db.prepare('SELECT bytes FROM plugin_storage WHERE plugin = ? AND key = ?');
    this.#remove = db.prepare('DELETE FROM plugin_storage WHERE plugin = ? AND key = ?');
    // Keys are printable ASCII, and char(127) sorts after all of it.
    this.#keys = db.prepare(
      'SELECT key FROM plugin_storage WHERE plugin = ? AND key >= ? AND key < ? || char(127) ORDER BY key',
    );
    this.#sum = db.prepare('SELECT count(*) AS keys, total(bytes) AS bytes FROM plugin_storage WHERE plugin = ?');
    this.#clear = db.prepare('DELETE FROM plugin_storage WHERE plugin = ?');
  }

  /** Returns JSON. */
  get(plugin: string, key: string): string | undefined {
    return (this.#get.get(plugin, key) as { readonly value: string } | undefined)?.value;
  }

  /** Throws `storage_full`, `disk_full`; the old value stays then. */
  set(plugin: string, key: string, value: string): void {
    const had = (this.#size.get(plugin, key) as { readonly bytes: number } | undefined)?.bytes;
    const bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
    const before = this.usage(plugin);
    const after = { keys: before.keys + (had === undefined ? 1 : 0), bytes: before.bytes - (had ?? 0) + bytes };
    const { maxKeys, maxBytes } = this.#limits;
    // A change that reduces the usage is accepted even above the limit.
    const isMore = after.keys > before.keys || after.bytes > before.bytes;
    if (isMore && (after.keys > maxKeys || after.bytes > maxBytes)) {
      throw new BinnacleError('storage_full', { details: { plugin, ...before, maxKeys, maxBytes } });
    }
    toDisk(() => this.#put.run(plugin, key, value, bytes));
    this.#usage.set(plugin, after);
  }

  delete(plugin: string, key: string): void {
    const had = (this.#size.get(plugin, key) as { readonly bytes: number } | undefined)?.bytes;
    if (had === undefined) return;
    const { keys, bytes } = this.usage(plugin);
    this.#remove.run(plugin, key);
    this.#usage.set(plugin, { keys: keys - 1, bytes: bytes - had });
  }

  /** Returns the keys in order. */
  keys(plugin: string, prefix: string): string[] {
    return this.#keys.all(plugin, prefix, prefix).map((row) => (row as { readonly key: string }).key);
  }

  usage(plugin: string): Usage {
    const known = this.#usage.get(plugin);
    if (known !== undefined) return known;
    const { keys, bytes } = this.#sum.get(plugin) as Usage;
    this.#usage.set(plugin, { keys, bytes });
    return { keys, bytes };
  }

  /** Removes all values of a removed plugin. */
  clear(plugin: string): void {
    this.#clear.run(plugin);
    this.#usage.delete(plugin);
  }
}
