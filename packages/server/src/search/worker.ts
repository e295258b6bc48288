// The thread of the index: owns its file, takes logs in when there is nothing else to do, and answers questions in
// between. Everything that it is told of is told again to the next one, so it may be ended at any time.

import { readlinkSync, statfsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { BinnacleError, invariant } from '@binnacle/protocol';
import type { Database } from '../catalogue/driver.ts';
import { EventIndex } from './events.ts';
import { Follow } from './follow.ts';
import { isDamaged, openIndex, removeIndex } from './index-db.ts';
import { Readers } from './readers.ts';
import { IndexRetention } from './retention.ts';
import { Snippets } from './snippets.ts';
import { TextIndex } from './text-index.ts';
import type { Answers, Ask, FromWorker, IndexOptions, SearchAsk, ToWorker } from './wire.ts';

/** A transaction ends here at the latest. Larger ones make better segments of the full-text index. */
const COMMIT_BYTES = 8 * 1024 * 1024;
const COMMIT_MS = 1000;
const FACTS_MS = 1000;
/** Room on the disk that is left to the logs: they have what the index is made of. */
const LEFT_FREE_BYTES = 64 * 1024 * 1024;
/** A quarter of a processor where others want it: a program that floods fills both the log and the index. */
const NICENESS = 5;
/** After SQLite had no room, or an error that it gets over. */
const AGAIN_MS = 5000;
/** Ages run out while nothing happens. */
const IDLE_MS = 60_000;

class IndexThread {
  readonly #port: MessagePort;
  readonly #options: IndexOptions;
  readonly #db: Database;
  readonly #texts: TextIndex;
  readonly #events: EventIndex;
  readonly #readers: Readers;
  readonly #follow: Follow;
  readonly #retention: IndexRetention;
  readonly #snippets: Snippets;
  /** Deleted since the last commit: a transaction that fails must not bring them back. */
  readonly #forgotten = new Set<string>();
  #transaction: { bytes: number; readonly since: number } | undefined;
  #toldFacts = Number.NEGATIVE_INFINITY;
  #lookedForRoom = Number.NEGATIVE_INFINITY;
  #hasRoom = true;
  #wake: (() => void) | undefined;
  #isStopping = false;

  constructor(port: MessagePort, options: IndexOptions) {
    this.#port = port;
    this.#options = options;
    const { db, isNew } = openIndex(options.path);
    this.#db = db;
    this.#texts = new TextIndex(db);
    this.#events = new EventIndex(db);
    this.#readers = new Readers(options.dir);
    this.#follow = new Follow({ db, texts: this.#texts, events: this.#events }, this.#readers, {
      did: (id, place) => this.#post({ t: 'did', id, place }),
      warn: (message, facts) => this.#post({ t: 'warn', message, facts }),
    });
    this.#retention = new IndexRetention(db, this.#texts, this.#events, options);
    this.#snippets = new Snippets(this.#readers);
    this.#post({ t: 'ready', isNew });
    port.on('message', (message: ToWorker) => this.#take(message));
  }

  async run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        const isIdle = !(await this.#step());
        this.#tellFacts(isIdle);
        if (isIdle) await this.#sleep(this.#hasRoom ? IDLE_MS : AGAIN_MS);
        else await turn();
      } catch (error) {
        this.#recover(error);
        await this.#sleep(AGAIN_MS);
      }
    }
    this.#commit();
    this.#snippets.close();
    this.#db.close();
    this.#port.close();
  }

  /** False when there is nothing to do. */
  async #step(): Promise<boolean> {
    this.#lookForRoom();
    const transaction = this.#begin();
    const isFollowing = this.#hasRoom && this.#follow.hasWork;
    if (isFollowing) {
      transaction.bytes += await this.#follow.step();
      // A little of it all the time, or a log that floods would keep what is gone.
      this.#retention.step();
    } else if (!this.#retention.step()) {
      this.#commit();
      return false;
    }
    const isDue = transaction.bytes >= COMMIT_BYTES || performance.now() - transaction.since >= COMMIT_MS;
    // What was taken in is kept when it is all there; a slice of retention alone is not worth a commit.
    if (isDue || (isFollowing && !this.#follow.hasWork)) this.#commit();
    return true;
  }

  #lookForRoom(): void {
    const now = performance.now();
    if (now - this.#lookedForRoom < FACTS_MS) return;
    this.#lookedForRoom = now;
    const { bavail, bsize } = statfsSync(dirname(this.#options.path));
    const hasRoom = bavail * bsize >= LEFT_FREE_BYTES;
    if (this.#hasRoom && !hasRoom) {
      this.#post({
        t: 'warn',
        message: 'the disk is nearly full: the index waits',
        facts: { leftBytes: bavail * bsize },
      });
    }
    this.#hasRoom = hasRoom;
  }

  #take(message: ToWorker): void {
    try {
      this.#act(message);
    } catch (error) {
      this.#recover(error);
    }
    this.#wake?.();
  }

  #act(message: ToWorker): void {
    switch (message.t) {
      case 'logs':
        this.#begin();
        for (const news of message.logs) {
          const before = this.#readers.news.get(news.id)?.oldest.place ?? news.oldest.place;
          this.#follow.tell(news);
          if (news.oldest.place > before) this.#retention.lookAgain();
        }
        return;
      case 'gone':
        this.#forget(message.ids);
        return;
      case 'told_all':
        this.#forgetUntold();
        return;
      case 'ask':
        void this.#answer(message.n, message.ask);
        return;
      case 'stop':
        this.#isStopping = true;
    }
  }

  #forget(ids: readonly string[]): void {
    this.#begin();
    for (const id of ids) {
      this.#forgotten.add(id);
      this.#follow.forget(id);
    }
    this.#retention.lookAgain();
  }

  #forgetUntold(): void {
    const rows = this.#db.prepare('SELECT id FROM logs WHERE gone = 0').all() as { id: string }[];
    const untold = rows.map(({ id }) => id).filter((id) => !this.#readers.news.has(id));
    this.#forget(untold);
  }

  async #answer(n: number, ask: Ask): Promise<void> {
    try {
      this.#post({ t: 'answer', n, value: await this.#find(ask) });
    } catch (error) {
      const wire =
        error instanceof BinnacleError ? error : new BinnacleError('index_unavailable', { message: String(error) });
      this.#post({ t: 'refused', n, error: wire.toWire() });
      if (isDamaged(error)) this.#recover(error);
    }
  }

  async #find(ask: Ask): Promise<Answers[keyof Answers]> {
    if (ask.kind === 'events') return this.#events.list(ask);
    if (ask.kind === 'stats') return this.#events.stats(ask);
    return await this.#search(ask);
  }

  async #search(ask: SearchAsk): Promise<Answers['search']> {
    const found = await this.#texts.find(ask, turn);
    const page = found.slice(0, ask.limit);
    const hits = await this.#snippets.of(page, ask.expression);
    const seen = new Set(ask.conversations);
    return {
      hits,
      next: found.length > ask.limit ? (page.at(-1)?.id ?? null) : null,
      behindBytes: this.#follow.behind(({ conversation }) => conversation === null || seen.has(conversation)),
    };
  }

  #begin(): { bytes: number; readonly since: number } {
    if (this.#transaction === undefined) {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#transaction = { bytes: 0, since: performance.now() };
    }
    return this.#transaction;
  }

  #commit(): void {
    if (this.#transaction === undefined) return;
    this.#db.exec('COMMIT');
    this.#transaction = undefined;
    this.#forgotten.clear();
  }

  /** What was in the transaction is taken again from the logs. A damaged file is made anew by the next thread. */
  #recover(error: unknown): void {
    if (isDamaged(error)) {
      this.#post({ t: 'warn', message: 'the index was damaged, and is made anew', facts: { error: String(error) } });
      this.#db.close();
      removeIndex(this.#options.path);
      process.exit(1);
    }
    this.#post({ t: 'warn', message: 'the index could not be written', facts: { error: String(error) } });
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
    this.#transaction = undefined;
    this.#texts.recount();
    this.#events.recount();
    this.#follow.reset();
    const forgotten = [...this.#forgotten];
    if (forgotten.length > 0) setTimeout(() => this.#take({ t: 'gone', ids: forgotten }), AGAIN_MS).unref();
  }

  #tellFacts(isIdle: boolean): void {
    const now = performance.now();
    if (!isIdle && now - this.#toldFacts < FACTS_MS) return;
    this.#toldFacts = now;
    this.#post({
      t: 'facts',
      facts: {
        events: this.#events.count,
        documents: this.#texts.count,
        behindBytes: this.#follow.behind(),
        removed: this.#retention.removed,
        indexBytes: this.#retention.bytes,
      },
    });
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

/** Threads have a priority of their own on Linux, by an id that only /proc tells; elsewhere all stays as it is. */
function yieldToOthers(): void {
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICENESS);
  } catch {
    // No /proc, or one that shows other numbers than the kernel's.
  }
}

/** Lets messages in. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

invariant(parentPort !== null, 'This is the entry of a thread.');
yieldToOthers();
await new IndexThread(parentPort, workerData as IndexOptions).run();
