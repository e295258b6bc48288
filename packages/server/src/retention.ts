// Removes what is kept too long or is too much, over all sessions. Each log looks after its own bounds in its runner.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionId } from '@binnacle/protocol';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { SessionRecord } from './catalogue/sessions.ts';
import type { Log } from './http/answer.ts';
import type { Sessions } from './sessions.ts';

/** Sizes change by segments of 32 MiB; looking more often would find nothing new. */
const SWEEP_MS = 60_000;

export interface RetentionRules {
  readonly retainMs: number;
  readonly totalBytes: number;
}

export interface RetentionParts {
  readonly catalogue: Catalogue;
  readonly sessions: Sessions;
  readonly dir: string;
  readonly log: Log;
}

export class Retention {
  readonly #parts: RetentionParts;
  readonly #rules: RetentionRules;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: RetentionParts, rules: RetentionRules) {
    this.#parts = parts;
    this.#rules = rules;
    this.#timer = setInterval(() => {
      this.sweep().catch((error: unknown) => parts.log.error({ err: error }, 'retention failed'));
    }, SWEEP_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Finished sessions go first, the oldest of them first; then running ones keep their newest share. */
  async sweep(): Promise<void> {
    const records = this.#all();
    const sizes = new Map(records.map((record) => [record.id, this.#bytesOf(record.id)]));
    let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    const finished = records.filter((record) => record.state === 'closed' || record.state === 'lost').reverse();
    for (const record of finished) {
      const isOld = (record.exitedAt ?? record.createdAt) < Date.now() - this.#rules.retainMs;
      if (!isOld && total <= this.#rules.totalBytes) continue;
      await this.#parts.sessions.delete(record.id);
      total -= sizes.get(record.id) ?? 0;
    }
    const running = records.filter((record) => !finished.includes(record));
    if (total <= this.#rules.totalBytes || running.length === 0) return;
    const share = Math.floor(this.#rules.totalBytes / running.length);
    await Promise.allSettled(running.map((record) => this.#parts.sessions.get(record.id).trim(share)));
  }

  /** Newest first. */
  #all(): SessionRecord[] {
    const records: SessionRecord[] = [];
    let after: SessionId | null | undefined;
    while (after !== null) {
      const page = this.#parts.catalogue.sessions.list({ limit: 1000, ...(after === undefined ? {} : { after }) });
      records.push(...page.records);
      after = page.next;
    }
    return records;
  }

  #bytesOf(id: SessionId): number {
    const dir = join(this.#parts.dir, id, 'log');
    try {
      return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    } catch {
      return 0; // Deleted, or rolled over, while we looked.
    }
  }
}
