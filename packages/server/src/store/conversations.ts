// Rows of conversations and their runs: the content of their logs in a form for queries.

import {
  BinnacleError,
  type ConversationEvent,
  type ConversationKey,
  type ConversationRun,
  factsAfter,
  isEndEvent,
  type MessageInfo,
  runAfter,
  type Usage,
  type Visibility,
} from '@binnacle/protocol';
import { answerId, DEFAULT_PAGE, MAX_PAGE, MessageStore } from './messages.ts';
import { transaction } from './schema.ts';
import { type Database, isDuplicate, type Statement } from './sqlite.ts';
import { sumOfUsage, usageOf } from './usage.ts';

/** Times are in whole ms since 1970. */
export interface ConversationRecord {
  /** A UUID; names its directory. */
  readonly id: string;
  readonly key: ConversationKey;
  readonly agent: string;
  readonly owner: string | null;
  readonly visibility: Visibility;
  readonly title: string;
  /** Epoch of its log; '' before the log exists. */
  readonly epoch: string;
  /** The rows contain the content of the log up to this place. */
  readonly place: number;
  /** `busy`: a run is in progress or messages wait. */
  readonly state: 'idle' | 'busy';
  /** The state of the lease for a restart, as JSON. */
  readonly lease: string | null;
  /** The state of the agent's process, as JSON. */
  readonly process: string | null;
  /** Sum over its ended runs. */
  readonly usage: Usage | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewConversation
  extends Pick<ConversationRecord, 'id' | 'key' | 'agent' | 'owner' | 'visibility' | 'title'> {
  /** The plugin for whose channel the conversation was made. */
  readonly plugin?: string;
}

/** A run without its text, which is stored as its answer. */
export type RunRecord = Omit<ConversationRun, 'text'>;

export class ConversationStore {
  readonly messages: MessageStore;
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #byKey: Statement;
  readonly #byId: Statement;
  readonly #busy: Statement;
  readonly #page: Statement;
  readonly #count: Statement;
  readonly #countOf: Statement;
  readonly #countOfPlugin: Statement;
  readonly #save: Statement;
  readonly #setProcess: Statement;
  readonly #setLease: Statement;
  readonly #remove: Statement;
  readonly #dropRuns: Statement;
  readonly #put: Statement;
  readonly #run: Statement;
  readonly #running: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.messages = new MessageStore(db);
    this.#insert = db.prepare(
      `INSERT INTO conversations
         (id, key, agent, owner, visibility, title, plugin, epoch, place, state, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, 'idle', ?, ?)`,
    );
    this.#byKey = db.prepare('SELECT * FROM conversations WHERE key = ?');
    this.#byId = db.prepare('SELECT * FROM conversations WHERE id = ?');
    this.#busy = db.prepare("SELECT * FROM conversations WHERE state <> 'idle' OR process IS NOT NULL");
    this.#page = db.prepare(
      `SELECT * FROM conversations
       WHERE (updated_at, id) < (?, ?)
         AND (? = 1 OR owner = ? OR json_extract(visibility, '$.kind') = 'everyone'
              OR EXISTS (SELECT 1 FROM json_each(visibility, '$.with') WHERE json_each.value = ?))
       ORDER BY updated_at DESC, id DESC LIMIT ?`,
    );
    this.#countOf = db.prepare('SELECT count(*) AS n FROM conversations WHERE owner = ?');
    this.#countOfPlugin = db.prepare('SELECT count(*) AS n FROM conversations WHERE plugin = ?');
    this.#count = db.prepare('SELECT count(*) AS n FROM conversations');
    this.#save = db.prepare(
      'UPDATE conversations SET visibility = ?, title = ?, epoch = ?, place = ?, state = ?, usage = ?, updated_at = ? WHERE id = ?',
    );
    this.#setProcess = db.prepare('UPDATE conversations SET process = ? WHERE id = ?');
    this.#setLease = db.prepare('UPDATE conversations SET lease = ? WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM conversations WHERE id = ?');
    this.#dropRuns = db.prepare(
      `DELETE FROM conversation_runs WHERE conversation = ? AND state <> 'running'
         AND id NOT IN (SELECT id FROM messages WHERE conversation = ?)`,
    );
    this.#put = db.prepare(
      `INSERT INTO conversation_runs (conversation, id, state, body) VALUES (?, ?, ?, ?)
       ON CONFLICT (conversation, id) DO UPDATE SET state = excluded.state, body = excluded.body`,
    );
    this.#run = db.prepare('SELECT * FROM conversation_runs WHERE conversation = ? AND id = ?');
    this.#running = db.prepare(
      "SELECT * FROM conversation_runs WHERE conversation = ? AND state = 'running' ORDER BY rowid DESC LIMIT 1",
    );
  }

  /** Returns undefined if the key is taken. */
  insert(made: NewConversation): ConversationRecord | undefined {
    const now = Date.now();
    const { plugin = null, ...record } = made;
    const { id, key, agent, owner, visibility, title } = record;
    try {
      this.#insert.run(id, key, agent, owner, JSON.stringify(visibility), title, plugin, now, now);
    } catch (error) {
      if (isDuplicate(error)) return undefined;
      throw error;
    }
    return {
      ...record,
      epoch: '',
      place: 0,
      state: 'idle',
      lease: null,
      process: null,
      usage: null,
      createdAt: now,
      updatedAt: now,
    };
  }

  /**
   * Inserts a row for a log without one: all of the log is still to be applied. Returns false if the key or the id is
   * taken.
   */
  adopt(
    found: Omit<NewConversation, 'plugin'> & { readonly plugin: string | null; readonly createdAt: number },
  ): boolean {
    const { id, key, agent, owner, visibility, title, plugin, createdAt } = found;
    try {
      transaction(this.#db, () => {
        this.#insert.run(id, key, agent, owner, JSON.stringify(visibility), title, plugin, createdAt, createdAt);
        // The conversation counts as busy until its log shows that it is not.
        this.#db.prepare("UPDATE conversations SET state = 'busy' WHERE id = ?").run(id);
      });
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  ids(): ReadonlySet<string> {
    const rows = this.#db.prepare('SELECT id FROM conversations').all() as { readonly id: string }[];
    return new Set(rows.map(({ id }) => id));
  }

  /** Returns the plugin whose channel made the conversation. */
  pluginOf(id: string): string | null {
    const row = this.#db.prepare('SELECT plugin FROM conversations WHERE id = ?').get(id);
    return (row as { readonly plugin: string | null } | undefined)?.plugin ?? null;
  }

  find(key: string): ConversationRecord | undefined {
    return toRecord(this.#byKey.get(key));
  }

  byId(id: string): ConversationRecord | undefined {
    return toRecord(this.#byId.get(id));
  }

  countOf(owner: string): number {
    return (this.#countOf.get(owner) as { readonly n: number }).n;
  }

  countOfPlugin(plugin: string): number {
    return (this.#countOfPlugin.get(plugin) as { readonly n: number }).n;
  }

  count(): number {
    return (this.#count.get() as { readonly n: number }).n;
  }

  /** Returns the conversations that a restart must recover. */
  listBusy(): readonly ConversationRecord[] {
    return this.#busy.all().flatMap((row) => toRecord(row) ?? []);
  }

  /**
   * Returns the conversations that `user` may see, the last changed first. Throws `bad_request` for an invalid `after`.
   */
  list(
    seenBy: { readonly user: string; readonly isAdmin: boolean },
    page: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): { readonly records: readonly ConversationRecord[]; readonly next: string | null } {
    const limit = Math.min(page.limit ?? DEFAULT_PAGE, MAX_PAGE);
    const [time, id] = page.after === undefined ? [Number.MAX_SAFE_INTEGER, '~'] : parseAfter(page.after);
    const { user, isAdmin } = seenBy;
    const rows = this.#page.all(time, id, isAdmin ? 1 : 0, user, user, limit + 1);
    const records = rows.slice(0, limit).flatMap((row) => toRecord(row) ?? []);
    const last = records.at(-1);
    return { records, next: rows.length > limit && last !== undefined ? `${last.updatedAt}.${last.id}` : null };
  }

  setProcess(id: string, process: string | null): void {
    this.#setProcess.run(process, id);
  }

  setLease(id: string, lease: string | null): void {
    this.#setLease.run(lease, id);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  /** Applies the events of one log entry. `place`: directly after that entry. Returns the changed conversation. */
  apply(
    record: ConversationRecord,
    events: readonly ConversationEvent[],
    { epoch, place, state }: Pick<ConversationRecord, 'epoch' | 'place' | 'state'>,
  ): ConversationRecord {
    return transaction(this.#db, () => {
      let next: ConversationRecord = { ...record, epoch, place, state };
      for (const event of events) next = this.#applyOne(next, event);
      const { visibility, title, updatedAt } = next;
      const usage = next.usage === null ? null : JSON.stringify(next.usage);
      this.#save.run(JSON.stringify(visibility), title, epoch, place, state, usage, updatedAt, record.id);
      return next;
    });
  }

  run(conversation: string, id: string): ConversationRun | undefined {
    return this.#withText(conversation, toRun(this.#run.get(conversation, id)));
  }

  /** Returns the run that was in progress. */
  running(conversation: string): RunRecord | undefined {
    return toRun(this.#running.get(conversation));
  }

  #withText(conversation: string, run: RunRecord | undefined): ConversationRun | undefined {
    if (run === undefined) return undefined;
    return { ...run, text: this.messages.find(conversation, answerId(run.id))?.text ?? '' };
  }

  #applyOne(record: ConversationRecord, event: ConversationEvent): ConversationRecord {
    const { id } = record;
    const next = factsAfter(record, event);
    switch (event.type) {
      case 'message':
        this.#add(id, event.message);
        return next;
      case 'message_edited':
      case 'message_cancelled':
      case 'message_delivered':
        this.messages.apply(id, event);
        return next;
      case 'run_started':
        this.#putRun(id, event.run);
        return next;
      case 'run_allowed':
      case 'agent':
      case 'final':
      case 'error':
      case 'aborted':
        return { ...next, usage: sumOfUsage(next.usage, this.#changeRun(id, event)) };
      case 'changed':
      case 'delta':
      case 'tool':
      case 'approval':
      case 'approval_answered':
      case 'silent':
      case 'note':
        return next;
    }
  }

  /** Applies an event to the row of its run. Returns the usage of a run that ends with the event. */
  #changeRun(conversation: string, event: Extract<ConversationEvent, { readonly run: string }>): Usage | null {
    const row = toRun(this.#run.get(conversation, event.run));
    // The row has no text and no silence, which a later gateway reads from the log.
    if (row === undefined || row.end !== null || (event.type === 'agent' && event.name !== 'usage')) return null;
    const run = runAfter({ ...row, text: '' }, event);
    this.#putRun(conversation, run);
    if (run.end === null || !isEndEvent(event)) return null;
    // An error, an abort and a veto explain by themselves why no answer came.
    if (event.text !== '' || event.type === 'final') this.#add(conversation, answerOf(run));
    return run.usage;
  }

  #putRun(conversation: string, { text: _, ...run }: ConversationRun): void {
    this.#put.run(conversation, run.id, run.state, JSON.stringify(run));
  }

  #add(conversation: string, message: MessageInfo): void {
    if (this.messages.add(conversation, message)) this.#dropRuns.run(conversation, conversation);
  }
}

/** Returns the answer of a run that has ended, as a message. */
function answerOf({ id, agent, command, text, endedAt, end, usage }: ConversationRun): MessageInfo {
  return {
    id: answerId(id),
    role: 'assistant',
    text,
    by: { user: null, name: command === undefined ? agent : `plugin ${command.plugin}` },
    at: endedAt ?? 0,
    state: 'delivered',
    steer: 'queue',
    run: id,
    ...(end === null ? {} : { ended: end.state }),
    ...(usage === null ? {} : { usage }),
  };
}

function parseAfter(after: string): [number, string] {
  const found = /^(\d{1,16})\.([0-9a-f-]{36})$/.exec(after);
  if (found?.[1] === undefined || found[2] === undefined) {
    throw new BinnacleError('bad_request', { message: 'after is not one of ours.', hint: 'Pass the next of a page.' });
  }
  return [Number(found[1]), found[2]];
}

interface Row {
  readonly id: string;
  readonly key: string;
  readonly agent: string;
  readonly owner: string | null;
  readonly visibility: string;
  readonly title: string;
  readonly epoch: string;
  readonly place: number;
  readonly state: string;
  readonly lease: string | null;
  readonly process: string | null;
  readonly usage: string | null;
  readonly created_at: number;
  readonly updated_at: number;
}
// The rows were written by this store, with these types.
function toRecord(found: unknown): ConversationRecord | undefined {
  if (found === undefined) return undefined;
  const row = found as Row;
  return {
    id: row.id,
    key: row.key as ConversationKey,
    agent: row.agent,
    owner: row.owner,
    visibility: JSON.parse(row.visibility) as Visibility,
    title: row.title,
    epoch: row.epoch,
    place: row.place,
    state: row.state as ConversationRecord['state'],
    lease: row.lease,
    process: row.process,
    usage: usageOf(row.usage),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
const toRun = (row: unknown): RunRecord | undefined =>
  row === undefined ? undefined : (JSON.parse((row as { readonly body: string }).body) as RunRecord);
