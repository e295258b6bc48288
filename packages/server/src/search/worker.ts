// The process of the index: owns its file, indexes logs while nobody searches, and answers queries. The next process
// gets all news again, so this one may be killed at any time. A process, not a thread: a thread that is ended inside
// SQLite crashes the gateway.

import { randomInt } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { BinnacleError } from '@binnacle/protocol';
import { serveGateway } from '../process/worker-entry.ts';
import type { Database, Statement } from '../store/sqlite.ts';
import { BlockIndex } from './block-index.ts';
import { TermWriter } from './block-terms.ts';
import { EventIndex } from './event-rows.ts';
import { isDamaged, openIndex, removeIndex } from './index-db.ts';
import { BlockThread, serveBlocks } from './logs/block-thread.ts';
import { Indexer } from './logs/indexer.ts';
import { Readers } from './logs/readers.ts';
import { MessageIndex } from './messages/message-index.ts';
import { pageOf } from './newest-first.ts';
import { expressionOf } from './query.ts';
import { IndexRetention } from './retention.ts';
import { SearchPace } from './search-pace.ts';
import { SearchTurns } from './search-turns.ts';
import { Snippets } from './snippets.ts';
import { TextIndex } from './text-index.ts';
import { TextSearch } from './text-search.ts';
import { Tokenizer } from './tokenizer.ts';
import type {
  Answers,
  FromIndex,
  IndexOptions,
  IndexRequest,
  MessagesRequest,
  SearchRequest,
  ToIndex,
} from './wire.ts';

/** Maximum size and duration of a transaction. Larger transactions make better segments of the full-text index. */
const COMMIT_BYTES = 8 * 1024 * 1024;
const COMMIT_MS = 1000;
const FACTS_MS = 1000;
/** Minimum free space on the disk, reserved for the logs, from which the index is made. */
const LEFT_FREE_BYTES = 64 * 1024 * 1024;
/** Delay before a retry after a full disk, or a temporary error of SQLite. */
const AGAIN_MS = 5000;
/** Maximum idle time: documents become too old even without events. */
const IDLE_MS = 60_000;
/** Part of the maximum size that messages may take, so that output keeps the rest. */
const MESSAGES_PART = 0.25;
/** Maximum ms that a search of messages waits for new ones. */
const CATCH_UP_MS = 500;

type Post = (message: FromIndex, sent?: () => void) => void;

class Index {
  readonly #post: Post;
  readonly #options: IndexOptions;
  readonly #db: Database;
  /** Number in the file while this process owns it. */
  readonly #mark = randomInt(1, 2 ** 31);
  readonly #owner: Statement;
  readonly #texts: TextIndex;
  readonly #events: EventIndex;
  readonly #readers: Readers;
  readonly #follow: Indexer;
  readonly #retention: IndexRetention;
  readonly #tokenizer = new Tokenizer();
  readonly #turns = new SearchTurns();
  readonly #search: TextSearch;
  readonly #snippets: Snippets;
  readonly #messages: MessageIndex;
  /** Sessions deleted since the last commit: a failed transaction must not bring them back. */
  readonly #forgotten = new Set<string>();
  #transaction: { bytes: number; readonly since: number } | undefined;
  #factsSentAt = Number.NEGATIVE_INFINITY;
  #roomCheckedAt = Number.NEGATIVE_INFINITY;
  #hasRoom = true;
  #wake: (() => void) | undefined;
  #isStopping = false;
  /** True once the file is gone: the process only has to end. */
  #isOver = false;

  constructor(options: IndexOptions, post: Post) {
    this.#post = post;
    this.#options = options;
    const { db, isNew } = openIndex(options.path);
    this.#db = db;
    db.exec(`PRAGMA application_id = ${this.#mark}`);
    this.#owner = db.prepare('PRAGMA application_id');
    const blocks = new BlockIndex(db);
    this.#texts = new TextIndex(db, blocks);
    this.#events = new EventIndex(db);
    this.#readers = new Readers(options.dir);
    const writer = new TermWriter(this.#tokenizer);
    const parts = { db, texts: this.#texts, events: this.#events, writer };
    const events = {
      did: (id: string, place: number) => this.#post({ t: 'did', id, place }),
      warn: (message: string, facts: Readonly<Record<string, unknown>>) => this.#post({ t: 'warn', message, facts }),
      wake: () => this.#wake?.(),
    };
    const source = { blocks: new BlockThread(new URL(import.meta.url), options.dir) };
    this.#follow = new Indexer(parts, this.#readers, events, source);
    this.#snippets = new Snippets(this.#readers);
    this.#messages = new MessageIndex({
      db,
      catalogue: options.catalogue,
      snippets: this.#snippets,
      maxBytes: options.maxIndexBytes * MESSAGES_PART,
      warn: (message, facts) => this.#post({ t: 'warn', message, facts }),
    });
    const rows = { texts: this.#texts, blocks, events: this.#events, messages: this.#messages };
    this.#retention = new IndexRetention(db, rows, options);
    this.#search = new TextSearch({ texts: this.#texts, blocks, tokenizer: this.#tokenizer, readers: this.#readers });
    this.#post({ t: 'ready', isNew });
  }

  async run(): Promise<void> {
    while (!this.#isStopping && !this.#isOver) {
      try {
        const isIdle = !(await this.#turns.change(() => this.#step()));
        this.#sendFacts(isIdle);
        if (isIdle) await this.#sleep(this.#hasRoom ? IDLE_MS : AGAIN_MS);
        else await yieldToEventLoop();
      } catch (error) {
        this.#recover(error);
        await this.#sleep(AGAIN_MS);
      }
    }
    // The process ends when the reason is sent.
    if (this.#isOver) return await new Promise<never>(() => undefined);
    this.#commit();
    this.#snippets.close();
    this.#tokenizer.close();
    this.#messages.close();
    this.#db.close();
  }

  /** Does one step of work. Returns false if there is nothing to do. */
  async #step(): Promise<boolean> {
    this.#checkRoom();
    const transaction = this.#begin();
    const isFollowing = this.#hasRoom && this.#follow.hasWork;
    // Alternates with messages and retention: a flooding log would otherwise starve them.
    const chars = this.#hasRoom ? this.#messages.step() : undefined;
    transaction.bytes += chars ?? 0;
    if (isFollowing) {
      transaction.bytes += await this.#follow.step();
      this.#retention.step();
    } else if (!this.#retention.step() && chars === undefined) {
      this.#commit();
      return false;
    }
    const isDue = transaction.bytes >= COMMIT_BYTES || performance.now() - transaction.since >= COMMIT_MS;
    // Commits when everything reported is indexed; a slice of retention alone is not worth a commit.
    if (isDue || (isFollowing && !this.#follow.hasWork)) this.#commit();
    return true;
  }

  #checkRoom(): void {
    const now = performance.now();
    if (now - this.#roomCheckedAt < FACTS_MS) return;
    this.#roomCheckedAt = now;
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

  take(message: ToIndex): void {
    if (this.#isOver) return;
    try {
      this.#act(message);
    } catch (error) {
      this.#recover(error);
    }
    this.#wake?.();
  }

  #act(message: ToIndex): void {
    switch (message.t) {
      case 'logs':
        this.#begin();
        for (const news of message.logs) {
          const before = this.#readers.news.get(news.id)?.oldest.place ?? news.oldest.place;
          this.#follow.accept(news);
          if (news.oldest.place > before) this.#retention.checkSoon();
        }
        return;
      case 'gone':
        this.#forget(message.ids);
        return;
      case 'told_all':
        this.#forgetUnreported();
        return;
      case 'ask':
        void this.#answer(message.n, message.ask);
        return;
      case 'stop':
        this.#isStopping = true;
        return;
      case 'open': // Handled by the caller: this message created the index.
    }
  }

  #forget(ids: readonly string[]): void {
    this.#begin();
    for (const id of ids) {
      this.#forgotten.add(id);
      this.#follow.forget(id);
    }
    this.#retention.checkSoon();
  }

  #forgetUnreported(): void {
    const rows = this.#db.prepare('SELECT id FROM logs WHERE gone = 0').all() as { id: string }[];
    const unreported = rows.map(({ id }) => id).filter((id) => !this.#readers.news.has(id));
    this.#forget(unreported);
  }

  async #answer(n: number, request: IndexRequest): Promise<void> {
    try {
      this.#post({ t: 'answer', n, value: await this.#find(n, request) });
    } catch (error) {
      const wire =
        error instanceof BinnacleError ? error : new BinnacleError('index_unavailable', { message: String(error) });
      this.#post({ t: 'refused', n, error: wire.toWire() });
      if (isDamaged(error) && !this.#isOver) this.#recover(error);
    }
  }

  async #find(n: number, request: IndexRequest): Promise<Answers[keyof Answers]> {
    if (request.kind === 'search') return await this.#turns.search(() => this.#findText(n, request));
    if (request.kind === 'messages') {
      // Behind a long search it would wait; `behind` says what is missing.
      if (!this.#turns.isSearching) await this.#turns.change(() => this.#takeMessages());
      return await this.#turns.search(() => this.#findMessages(n, request));
    }
    this.#post({ t: 'began', n });
    return request.kind === 'events' ? this.#events.list(request) : this.#events.stats(request);
  }

  /** Takes the messages since the last look, as far as that is quick. */
  async #takeMessages(): Promise<void> {
    if (!this.#hasRoom) return;
    const since = performance.now();
    try {
      const transaction = this.#begin();
      this.#messages.scanSoon();
      for (let chars = this.#messages.step(); chars !== undefined; chars = this.#messages.step()) {
        transaction.bytes += chars;
        if (performance.now() - since > CATCH_UP_MS) break;
      }
      this.#commit();
    } catch (error) {
      this.#recover(error);
    }
  }

  async #findMessages(n: number, request: MessagesRequest): Promise<Answers['messages']> {
    this.#post({ t: 'began', n });
    const pace = new SearchPace(request.timeoutMs, () => this.#yield());
    const { items: hits, hasMore } = await pageOf(this.#messages.find(request, pace), request.limit);
    return {
      hits,
      next: hasMore ? (hits.at(-1)?.id ?? null) : null,
      behind: this.#messages.behind(request.conversations),
    };
  }

  async #yield(): Promise<void> {
    if (this.#isStopping) throw new BinnacleError('index_unavailable');
    await yieldToEventLoop();
  }

  async #findText(n: number, request: SearchRequest): Promise<Answers['search']> {
    this.#post({ t: 'began', n });
    const { docs, hasMore } = await this.#search.find(request, () => this.#yield());
    const hits = await this.#snippets.of(docs, expressionOf(request.terms));
    const seen = new Set(request.conversations);
    return {
      hits,
      next: hasMore ? (docs.at(-1)?.id ?? null) : null,
      behindBytes: this.#follow.behind(({ conversation }) => conversation === null || seen.has(conversation)),
    };
  }

  #begin(): { bytes: number; readonly since: number } {
    if (this.#transaction === undefined) {
      this.#db.exec('BEGIN IMMEDIATE');
      // After a kill of the gateway, its successor may start a new process before this one notices: the new owner's
      // data is newer.
      if ((this.#owner.get() as { application_id: number }).application_id !== this.#mark) endNow();
      this.#transaction = { bytes: 0, since: performance.now() };
    }
    return this.#transaction;
  }

  #commit(): void {
    if (this.#transaction === undefined) return;
    this.#db.exec('COMMIT');
    this.#transaction = undefined;
    this.#forgotten.clear();
    this.#follow.committed();
  }

  /** Drops the transaction: its contents come from the logs again. The next process rebuilds a damaged file. */
  #recover(error: unknown): void {
    if (isDamaged(error)) {
      const facts = { path: this.#options.path, error: String(error) };
      this.#isOver = true;
      this.#db.close();
      removeIndex(this.#options.path);
      this.#post({ t: 'warn', message: 'the index was damaged, and is rebuilt', facts }, endNow);
      return;
    }
    this.#post({ t: 'warn', message: 'the index could not be written', facts: { error: String(error) } });
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
    this.#transaction = undefined;
    this.#texts.reload();
    this.#events.recount();
    this.#follow.reset();
    this.#messages.reset();
    const forgotten = [...this.#forgotten];
    if (forgotten.length > 0) setTimeout(() => this.take({ t: 'gone', ids: forgotten }), AGAIN_MS).unref();
  }

  #sendFacts(isIdle: boolean): void {
    const now = performance.now();
    if (!isIdle && now - this.#factsSentAt < FACTS_MS) return;
    this.#factsSentAt = now;
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
    if (this.#isStopping || this.#isOver) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

/** Ends this process. `process.exit` waits for the thread of blocks, and that for a processor without other work. */
function endNow(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('ended');
}

function serveIndex(): void {
  serveGateway<ToIndex, FromIndex>((send) => {
    let index: Index | undefined;
    const end = (error: unknown): void => {
      const facts = { error: String(error) };
      send({ t: 'warn', message: 'the index failed', facts }, endNow);
    };
    return (message) => {
      try {
        if (message.t !== 'open') {
          index?.take(message);
          return;
        }
        index = new Index(message.options, (outgoing) => send(outgoing));
        index.run().then(endNow, end);
      } catch (error) {
        end(error);
      }
    };
  }, endNow);
}

if (isMainThread) serveIndex();
else serveBlocks();
