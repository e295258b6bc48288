// The audit of plugins: allowed and denied calls, and the actions of people on plugins. Never the content of a call,
// which may be secret. Each plugin has a file of its own, so that a plugin cannot push another plugin's entries, or the
// actions of people, out of a file.

import { join } from 'node:path';
import type { PluginAuditEntry } from '@binnacle/protocol';
import { z } from 'zod';
import { Timer } from '../base/timer.ts';
import type { Decision } from './grant/gate.ts';
import { Journal } from './journal.ts';

const PEOPLE = { maxBytes: 4 * 1024 * 1024, maxEntries: 5000 };
const PLUGIN = { maxBytes: 1024 * 1024, maxEntries: 2000 };
/** Time within which equal decisions become one entry with a count: a plugin in a loop must not fill the disk. */
const SAME_MS = 1000;
/** Maximum different decisions of a plugin in that time. Further ones are counted by permission and outcome. */
const MAX_DIFFERENT = 20;
const OTHERS = '(others)';

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
  readonly #dir: string;
  readonly #people: Journal<PluginAuditEntry>;
  readonly #plugins = new Map<string, Decisions>();
  readonly #timer = new Timer();

  constructor(dir: string) {
    this.#dir = dir;
    this.#people = new Journal({ ...PEOPLE, path: join(dir, 'audit.jsonl') }, (value) => Entry.parse(value));
  }

  /** Records a decision of a gate. */
  decided(decision: Decision): void {
    this.#of(decision.plugin).add(decision);
    this.#timer.setOnce(SAME_MS, () => this.#settle());
  }

  /** Records an action of a person, or of the config file (`by` null). */
  did(plugin: string, what: string, target: string, by: string | null): void {
    this.#people.add({ at: Date.now(), plugin, what, outcome: 'done', target, count: 1, by });
    // Written at once, so that a caller that sees the action done finds its entry.
    this.#people.flush();
  }

  /** Returns the newest entries first. `plugin` must be installed, because its file is opened. */
  recent(plugin: string, limit: number): PluginAuditEntry[] {
    const all = [...[...this.#of(plugin).settled()].reverse(), ...this.done(plugin, Number.POSITIVE_INFINITY)];
    return all.sort((a, b) => b.at - a.at).slice(0, limit);
  }

  /** Returns the actions of people on a plugin, newest first; also for a plugin that was removed. */
  done(plugin: string, limit: number): PluginAuditEntry[] {
    return this.#people.entries
      .filter((entry) => entry.plugin === plugin)
      .reverse()
      .slice(0, limit);
  }

  forget(plugin: string): void {
    this.#of(plugin).clear();
  }

  close(): void {
    this.#timer.clear();
    this.#settle();
    this.#people.close();
    for (const decisions of this.#plugins.values()) decisions.close();
  }

  #of(plugin: string): Decisions {
    const known = this.#plugins.get(plugin) ?? new Decisions(join(this.#dir, `${plugin}.audit.jsonl`));
    this.#plugins.set(plugin, known);
    return known;
  }

  #settle(): void {
    for (const decisions of this.#plugins.values()) decisions.settled();
  }
}

/** The decisions about one plugin. */
class Decisions {
  readonly #journal: Journal<PluginAuditEntry>;
  readonly #counted = new Map<string, PluginAuditEntry>();

  constructor(path: string) {
    this.#journal = new Journal({ ...PLUGIN, path }, (value) => Entry.parse(value));
  }

  add({ plugin, permission, outcome, target }: Decision): void {
    const keyOf = (about: string): string => JSON.stringify([permission, outcome, about]);
    const isKnown = this.#counted.has(keyOf(target));
    const about = isKnown || this.#counted.size < MAX_DIFFERENT ? target : OTHERS;
    const first = { at: Date.now(), plugin, what: permission, outcome, target: about, count: 0, by: null };
    const known = this.#counted.get(keyOf(about)) ?? first;
    this.#counted.set(keyOf(about), { ...known, count: known.count + 1 });
  }

  /** Writes the counted entries, and returns all entries, oldest first. */
  settled(): readonly PluginAuditEntry[] {
    for (const entry of this.#counted.values()) this.#journal.add(entry);
    this.#counted.clear();
    return this.#journal.entries;
  }

  close(): void {
    this.#journal.close();
  }

  clear(): void {
    this.#counted.clear();
    this.#journal.clear();
  }
}
