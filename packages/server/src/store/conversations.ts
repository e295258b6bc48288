// Rows of conversations and their runs: the content of their logs in a form for queries.

import {
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationKey,
  type ConversationRun,
  type EndEvent,
  type MessageInfo,
  type RunEnd,
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

const TITLE_LENGTH = 80;

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
  readonly #putRun: Statement;
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
    this.#putRun = db.prepare(
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
    switch (event.type) {
      case 'message': {
        this.#add(id, event.message);
        const title = record.title === '' ? titleOf(event.message.text) : record.title;
        return { ...record, title, updatedAt: Math.round(event.at) };
      }
      case 'message_edited':
        this.messages.change(id, event.id, { text: event.text });
        return record;
      case 'message_cancelled':
        this.messages.change(id, event.id, { state: 'cancelled' });
        return record;
      case 'message_delivered':
        this.messages.deliver(id, event.id, event.run);
        return record;
      case 'run_started': {
        const { text: _, ...run } = event.run;
        this.#putRun.run(id, run.id, run.state, JSON.stringify(run));
        return { ...record, updatedAt: Math.round(event.at) };
      }
      case 'run_allowed': {
        const run = toRun(this.#run.get(id, event.run));
        if (run !== undefined && run.end === null) {
          const { isAsked: _, ...allowed } = run;
          this.#putRun.run(id, run.id, run.state, JSON.stringify(allowed));
        }
        return record;
      }
      case 'final':
      case 'error':
      case 'aborted':
        return {
          ...record,
          usage: sumOfUsage(record.usage, this.#endRun(id, event)),
          updatedAt: Math.round(event.at),
        };
      case 'changed':
        return {
          ...record,
          title: event.title ?? record.title,
          visibility: event.visibility ?? record.visibility,
          updatedAt: Math.round(event.at),
        };
      case 'agent': {
        // Only a final end repeats the usage, but an aborted run has costs as well.
        const run = event.name === 'usage' ? toRun(this.#run.get(id, event.run)) : undefined;
        if (run !== undefined && run.end === null) {
          const updated: RunRecord = { ...run, usage: event.data as Usage };
          this.#putRun.run(id, run.id, run.state, JSON.stringify(updated));
        }
        return record;
      }
      case 'delta':
      case 'tool':
      case 'approval':
      case 'approval_answered':
      case 'silent':
      case 'note':
        return record;
    }
  }

  /** Returns the usage of the run if this was its first end. */
  #endRun(conversation: string, event: EndEvent): Usage | null {
    const run = toRun(this.#run.get(conversation, event.run));
    if (run === undefined || run.end !== null) return null;
    const end = runEndOf(event);
    const usage = event.type === 'final' ? (event.usage ?? run.usage) : run.usage;
    const ended: RunRecord = { ...run, state: end.state, endedAt: event.at, end, usage };
    this.#putRun.run(conversation, run.id, ended.state, JSON.stringify(ended));
    // An error, an abort and a veto explain by themselves why no answer came.
    if (event.text === '' && event.type !== 'final') return usage;
    const { command } = run;
    const by: Author = { user: null, name: command === undefined ? run.agent : `plugin ${command.plugin}` };
    this.#add(conversation, {
      id: answerId(run.id),
      role: 'assistant',
      text: event.text,
      by,
      at: event.at,
      state: 'delivered',
      steer: 'queue',
      run: run.id,
      ended: end.state,
      ...(usage === null ? {} : { usage }),
    });
    return usage;
  }

  #add(conversation: string, message: MessageInfo): void {
    if (this.messages.add(conversation, message)) this.#dropRuns.run(conversation, conversation);
  }
}

export function runEndOf(event: EndEvent): RunEnd {
  switch (event.type) {
    case 'final':
      return event.stopReason === undefined ? { state: 'final' } : { state: 'final', stopReason: event.stopReason };
    case 'error':
      return { state: 'error', error: event.error };
    case 'aborted':
      return { state: 'aborted', via: event.via, by: event.by };
  }
}

function titleOf(text: string): string {
  const [line = ''] = text.trim().split('\n', 1);
  const letters = [...line];
  return letters.length <= TITLE_LENGTH ? line : `${letters.slice(0, TITLE_LENGTH - 1).join('')}…`;
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
