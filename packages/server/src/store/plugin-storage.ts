// Storage of plugins: values by key, separate per plugin and limited in size.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, toDisk } from './sqlite.ts';
import { Store } from './table.ts';

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

export class PluginStorage extends Store {
  readonly #limits: PluginStorageLimits;
  /** Returns JSON. */
  readonly get = this.sql.value<string>('SELECT value FROM plugin_storage WHERE plugin = ? AND key = ?');
  readonly #put = this.sql.run(
    `INSERT INTO plugin_storage (plugin, key, value, bytes) VALUES (?, ?, ?, ?)
     ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes`,
  );
  readonly #size = this.sql.value<number>('SELECT bytes FROM plugin_storage WHERE plugin = ? AND key = ?');
  readonly #remove = this.sql.run('DELETE FROM plugin_storage WHERE plugin = ? AND key = ?');
  // Keys are printable ASCII, and char(127) sorts after all of it.
  readonly #keys = this.sql.values<string>(
    'SELECT key FROM plugin_storage WHERE plugin = ? AND key >= ? AND key < ? || char(127) ORDER BY key',
  );
  readonly #count = this.sql.count('plugin_storage WHERE plugin = ?');
  readonly #sum = this.sql.value<number>('SELECT total(bytes) FROM plugin_storage WHERE plugin = ?');
  readonly #clear = this.sql.run('DELETE FROM plugin_storage WHERE plugin = ?');
  /** Usage by plugin, a cache of the sums over the rows: counting 10 000 rows on each write would be noticeable. */
  readonly #usage = new Map<string, Usage>();

  constructor(db: Database, limits: PluginStorageLimits = PLUGIN_STORAGE_LIMITS) {
    super(db);
    this.#limits = limits;
  }

  /** Throws `storage_full`, `disk_full`; the old value stays then. */
  set(plugin: string, key: string, value: string): void {
    const had = this.#size(plugin, key);
    const bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
    const before = this.usage(plugin);
    const after = { keys: before.keys + (had === undefined ? 1 : 0), bytes: before.bytes - (had ?? 0) + bytes };
    const { maxKeys, maxBytes } = this.#limits;
    // A change that reduces the usage is accepted even above the limit.
    const isMore = after.keys > before.keys || after.bytes > before.bytes;
    if (isMore && (after.keys > maxKeys || after.bytes > maxBytes)) {
      throw new BinnacleError('storage_full', { details: { plugin, ...before, maxKeys, maxBytes } });
    }
    toDisk(() => this.#put(plugin, key, value, bytes));
    this.#usage.set(plugin, after);
  }

  delete(plugin: string, key: string): void {
    const had = this.#size(plugin, key);
    if (had === undefined) return;
    const { keys, bytes } = this.usage(plugin);
    this.#remove(plugin, key);
    this.#usage.set(plugin, { keys: keys - 1, bytes: bytes - had });
  }

  /** Returns the keys in order. */
  keys(plugin: string, prefix: string): string[] {
    return this.#keys(plugin, prefix, prefix);
  }

  usage(plugin: string): Usage {
    const known = this.#usage.get(plugin);
    if (known !== undefined) return known;
    const usage = { keys: this.#count(plugin), bytes: this.#sum(plugin) ?? 0 };
    this.#usage.set(plugin, usage);
    return usage;
  }

  /** Removes all values of a removed plugin. */
  clear(plugin: string): void {
    this.#clear(plugin);
    this.#usage.delete(plugin);
  }
}
