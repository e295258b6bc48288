// What plugins were allowed and denied, and what people did with plugins. Never what was sent: it may be secret.

import { join } from 'node:path';
import type { PluginAuditEntry } from '@binnacle/protocol';
import { z } from 'zod';
import type { Decision } from './grant/gate.ts';
import { Journal } from './journal.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_ENTRIES = 5000;
/** The same within it is one entry with a number: a plugin in a loop must not fill the disk. */
const SAME_MS = 1000;
/** Different ones that are counted at once; beyond it each is written as it comes. */
const MAX_COUNTED = 1000;

const Entry = z.strictObject({
  at: z.number(),
  plugin: z.string(),
  what: z.string(),
  outcome: z.enum(['allowed', 'denied', 'malformed', 'done']),
  target: z.string(),
  count: z.number(),
  by: z.string().nullable(),
});

export class PluginAudit {
  readonly #journal: Journal<PluginAuditEntry>;
  readonly #counted = new Map<string, PluginAuditEntry>();
  readonly #timer: NodeJS.Timeout;

  constructor(dir: string) {
    const path = join(dir, 'audit.jsonl');
    this.#journal = new Journal({ path, maxBytes: MAX_BYTES, maxEntries: MAX_ENTRIES }, (value) => Entry.parse(value));
    this.#timer = setInterval(() => this.#settle(), SAME_MS);
    this.#timer.unref();
  }

  /** By a gate. */
  decided({ plugin, permission, outcome, target }: Decision): void {
    const key = JSON.stringify([plugin, permission, outcome, target]);
    const known = this.#counted.get(key);
    if (known === undefined && this.#counted.size >= MAX_COUNTED) this.#settle();
    const first = { at: Date.now(), plugin, what: permission, outcome, target, count: 0, by: null };
    this.#counted.set(key, { ...(known ?? first), count: (known?.count ?? 0) + 1 });
  }

  /** By a person, or by the config file (null). */
  did(plugin: string, what: string, target: string, by: string | null): void {
    this.#settle();
    this.#journal.add({ at: Date.now(), plugin, what, outcome: 'done', target, count: 1, by });
    // Whoever is told that it is done finds it here.
    this.#journal.flush();
  }

  /** Newest first. */
  recent(plugin: string, limit: number): PluginAuditEntry[] {
    this.#settle();
    return this.#journal.entries
      .filter((entry) => entry.plugin === plugin)
      .slice(-limit)
      .reverse();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#settle();
    this.#journal.close();
  }

  #settle(): void {
    for (const entry of this.#counted.values()) this.#journal.add(entry);
    this.#counted.clear();
  }
}
