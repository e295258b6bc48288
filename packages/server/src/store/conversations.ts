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
import { type Database, isDuplicate } from './sqlite.ts';
import { type Columns, Store } from './table.ts';
import { sumOfUsage } from './usage.ts';

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

/** A run. `body` has all of it; the columns beside it are for queries. */
interface RunRow {
  readonly conversation: string;
  readonly id: string;
  readonly state: RunRecord['state'];
  readonly body: RunRecord;
}

type ConversationRow = ConversationRecord & { readonly plugin: string | null };

const CONVERSATION = {
  id: 'text',
  key: 'text',
  agent: 'text',
  owner: 'text',
  visibility: 'json',
  title: 'text',
  epoch: 'text',
  place: 'integer',
  state: 'text',
  lease: 'text',
  process: 'text',
  usage: 'json',
  createdAt: 'integer',
  updatedAt: 'integer',
} as const satisfies Columns<ConversationRecord>;

/** Condition for the conversations that a user may see, with the user as both of its values. */
const IS_SEEN = `owner = ? OR json_extract(visibility, '$.kind') = 'everyone'
  OR EXISTS (SELECT 1 FROM json_each(visibility, '$.with') WHERE json_each.value = ?)`;

export class ConversationStore extends Store {
  readonly messages: MessageStore;
  readonly #conversations = this.sql.table<ConversationRecord>('conversations', CONVERSATION);
  readonly #insert = this.sql
    .table<ConversationRow>('conversations', {
      ...CONVERSATION,
      plugin: 'text',
    })
    .insert();
  readonly #byKey = this.#conversations.get('key');
  readonly #byId = this.#conversations.get('id');
  readonly #busy = this.#conversations.list("WHERE state <> 'idle' OR process IS NOT NULL");
  readonly #page = this.#conversations.list(
    `WHERE (updated_at, id) < (?, ?)
       AND (? = 1 OR ${IS_SEEN}) ORDER BY updated_at DESC, id DESC LIMIT ?`,
  );
  readonly #seenBy = this.sql.values<string>(`SELECT id FROM conversations WHERE ${IS_SEEN}`);
  /** Counts the conversations of an owner. */
  readonly countOf = this.sql.count('conversations WHERE owner = ?');
  readonly countOfPlugin = this.sql.count('conversations WHERE plugin = ?');
  readonly count = this.sql.count('conversations');
  readonly #save = this.#conversations.update(
    ['visibility', 'title', 'epoch', 'place', 'state', 'usage', 'updatedAt'],
    ['id'],
  );
  readonly #setProcess = this.#conversations.update(['process'], ['id']);
  readonly #setLease = this.#conversations.update(['lease'], ['id']);
  readonly remove = this.#conversations.remove('id');
  readonly #ids = this.sql.values<string>('SELECT id FROM conversations');
  readonly #pluginOf = this.sql.value<string | null>('SELECT plugin FROM conversations WHERE id = ?');
  readonly #dropRuns = this.sql.run(
    `DELETE FROM conversation_runs WHERE conversation = ? AND state <> 'running'
       AND id NOT IN (SELECT id FROM messages WHERE conversation = ?)`,
  );
  readonly #runs = this.sql.table<RunRow>('conversation_runs', {
    conversation: 'text',
    id: 'text',
    state: 'text',
    body: 'json',
  });
  readonly #upsertRun = this.#runs.upsert(['conversation', 'id'], ['state', 'body']);
  readonly #run = this.#runs.get('conversation', 'id');
  readonly #running = this.#runs.find("WHERE conversation = ? AND state = 'running' ORDER BY rowid DESC LIMIT 1");

  constructor(db: Database) {
    super(db);
    this.messages = new MessageStore(db);
  }

  /** Returns undefined if the key is taken. */
  insert(made: NewConversation): ConversationRecord | undefined {
    const { plugin = null, ...fields } = made;
    const record = newRecord(fields, Date.now(), 'idle');
    return this.#add({ ...record, plugin }) ? record : undefined;
  }

  /**
   * Inserts a row for a log without one: all of the log is still to be applied. Returns false if the key or the id is
   * taken.
   */
  adopt(
    found: Omit<NewConversation, 'plugin'> & { readonly plugin: string | null; readonly createdAt: number },
  ): boolean {
    const { plugin, createdAt, ...fields } = found;
    // The conversation counts as busy until its log shows that it is not.
    return this.#add({ ...newRecord(fields, createdAt, 'busy'), plugin });
  }

  /** Returns the ids of all conversations that a user may see. */
  idsSeenBy(user: string): readonly string[] {
    return this.#seenBy(user, user);
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#ids());
  }

  /** Returns the plugin whose channel made the conversation. */
  pluginOf(id: string): string | null {
    return this.#pluginOf(id) ?? null;
  }

  find(key: string): ConversationRecord | undefined {
    const row = this.#byKey(key);
    return row && toRecord(row);
  }

  byId(id: string): ConversationRecord | undefined {
    const row = this.#byId(id);
    return row && toRecord(row);
  }

  /** Returns the conversations that a restart must recover. */
  listBusy(): readonly ConversationRecord[] {
    return this.#busy().map(toRecord);
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
    const rows = this.#page(time, id, isAdmin ? 1 : 0, user, user, limit + 1);
    const records = rows.slice(0, limit).map(toRecord);
    const last = records.at(-1);
    return { records, next: rows.length > limit && last !== undefined ? `${last.updatedAt}.${last.id}` : null };
  }

  setProcess(id: string, process: string | null): void {
    this.#setProcess({ process }, id);
  }

  setLease(id: string, lease: string | null): void {
    this.#setLease({ lease }, id);
  }

  /** Applies the events of one log entry. `place`: directly after that entry. Returns the changed conversation. */
  apply(
    record: ConversationRecord,
    events: readonly ConversationEvent[],
    { epoch, place, state }: Pick<ConversationRecord, 'epoch' | 'place' | 'state'>,
  ): ConversationRecord {
    return transaction(this.db, () => {
      let next: ConversationRecord = { ...record, epoch, place, state };
      for (const event of events) next = this.#applyOne(next, event);
      this.#save(next, record.id);
      return next;
    });
  }

  run(conversation: string, id: string): ConversationRun | undefined {
    const run = this.#run(conversation, id)?.body;
    return run && { ...run, text: this.messages.find(conversation, answerId(id))?.text ?? '' };
  }

  /** Returns the run that was in progress. */
  running(conversation: string): RunRecord | undefined {
    return this.#running(conversation)?.body;
  }

  /** Returns false if the key or the id is taken. */
  #add(row: ConversationRow): boolean {
    try {
      this.#insert(row);
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  #applyOne(record: ConversationRecord, event: ConversationEvent): ConversationRecord {
    const { id } = record;
    const next = factsAfter(record, event);
    switch (event.type) {
      case 'message':
        this.#addMessage(id, event.message);
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
    const row = this.#run(conversation, event.run)?.body;
    // The row has no text and no silence, which a later gateway reads from the log.
    if (row === undefined || row.end !== null || (event.type === 'agent' && event.name !== 'usage')) return null;
    const run = runAfter({ ...row, text: '' }, event);
    this.#putRun(conversation, run);
    if (run.end === null || !isEndEvent(event)) return null;
    // An error, an abort and a veto explain by themselves why no answer came.
    if (event.text !== '' || event.type === 'final') this.#addMessage(conversation, answerOf(run));
    return run.usage;
  }

  #putRun(conversation: string, { text: _, ...run }: ConversationRun): void {
    this.#upsertRun({ conversation, id: run.id, state: run.state, body: run });
  }

  #addMessage(conversation: string, message: MessageInfo): void {
    if (this.messages.add(conversation, message)) this.#dropRuns(conversation, conversation);
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

const newRecord = (
  fields: Omit<NewConversation, 'plugin'>,
  createdAt: number,
  state: ConversationRecord['state'],
): ConversationRecord => ({
  ...fields,
  ...{ epoch: '', place: 0, state, lease: null, process: null, usage: null, createdAt, updatedAt: createdAt },
});

/** Drops impossible numbers from the usage: it is the word of an agent. */
const toRecord = (row: ConversationRecord): ConversationRecord => ({ ...row, usage: sumOfUsage(row.usage, null) });
