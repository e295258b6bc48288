// The rows of conversations, their messages and runs: what their logs say, in a form that can be asked. Knows no log.

import { createHash } from 'node:crypto';
import {
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationKey,
  type ConversationRun,
  type EndEvent,
  type MessageInfo,
  type RunEnd,
  type Visibility,
} from '@binnacle/protocol';
import { type Database, isDuplicate, type Statement } from './driver.ts';
import { transaction } from './schema.ts';

/** Times are in whole ms since 1970. */
export interface ConversationRecord {
  /** A UUID; names its directory. */
  readonly id: string;
  readonly key: ConversationKey;
  readonly agent: string;
  readonly owner: string | null;
  readonly visibility: Visibility;
  readonly title: string;
  /** Of its log; '' until that is made. */
  readonly epoch: string;
  /** What its log holds up to here is in these rows. */
  readonly place: number;
  /** `busy`: a run is under way or messages wait. */
  readonly state: 'idle' | 'busy';
  /** What the lease needs to survive a restart; JSON of its own. */
  readonly lease: string | null;
  /** What is known of the agent's process; JSON of its own. */
  readonly process: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewConversation
  extends Pick<ConversationRecord, 'id' | 'key' | 'agent' | 'owner' | 'visibility' | 'title'> {
  /** Whose channel it was made for. */
  readonly plugin?: string;
}

/** A run without what it said, which is kept as its answer. */
export type RunRecord = Omit<ConversationRun, 'text'>;

export interface ReplyRecord {
  readonly conversation: string;
  readonly run: string;
  readonly url: string;
  readonly tries: number;
  readonly dueAt: number;
}

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;
const TITLE_LENGTH = 80;
const CONTEXT_MESSAGES = 100;
/** Of one conversation, the newest; an id that is older than these can be used again. */
const KEPT_MESSAGES = 10_000;
/** How many are dropped at once. */
const DROP_STEP = 100;

/** No id that a client may choose has a colon. */
export const answerId = (run: string): string => `answer:${run}`;

export class ConversationStore {
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
  readonly #addMessage: Statement;
  readonly #message: Statement;
  readonly #putMessage: Statement;
  readonly #dropMessages: Statement;
  readonly #dropRuns: Statement;
  readonly #lastN: Statement;
  readonly #waiting: Statement;
  readonly #messages: Statement;
  readonly #context: Statement;
  readonly #putRun: Statement;
  readonly #run: Statement;
  readonly #running: Statement;
  readonly #putReply: Statement;
  readonly #dueReplies: Statement;
  readonly #reply: Statement;
  readonly #dropReply: Statement;

  constructor(db: Database) {
    this.#db = db;
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
      'UPDATE conversations SET visibility = ?, title = ?, epoch = ?, place = ?, state = ?, updated_at = ? WHERE id = ?',
    );
    this.#setProcess = db.prepare('UPDATE conversations SET process = ? WHERE id = ?');
    this.#setLease = db.prepare('UPDATE conversations SET lease = ? WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM conversations WHERE id = ?');
    this.#addMessage = db.prepare(
      // What is there already stays: an entry can come twice, where only some of it could be kept.
      'INSERT OR IGNORE INTO messages (conversation, n, id, state, digest, body) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#message = db.prepare('SELECT * FROM messages WHERE conversation = ? AND id = ?');
    this.#putMessage = db.prepare('UPDATE messages SET n = ?, state = ?, body = ? WHERE conversation = ? AND id = ?');
    this.#dropMessages = db.prepare("DELETE FROM messages WHERE conversation = ? AND n <= ? AND state <> 'queued'");
    this.#dropRuns = db.prepare(
      `DELETE FROM conversation_runs WHERE conversation = ? AND state <> 'running'
         AND id NOT IN (SELECT id FROM messages WHERE conversation = ?)`,
    );
    this.#lastN = db.prepare('SELECT max(n) AS n FROM messages WHERE conversation = ?');
    // Who interrupts is next.
    this.#waiting = db.prepare(
      `SELECT * FROM messages WHERE conversation = ? AND state = 'queued'
       ORDER BY json_extract(body, '$.steer') <> 'interrupt', n`,
    );
    this.#messages = db.prepare(
      `SELECT * FROM messages WHERE conversation = ? AND n < ? AND state <> 'queued' ORDER BY n DESC LIMIT ?`,
    );
    this.#context = db.prepare(
      `SELECT * FROM messages AS m WHERE conversation = ? AND n < ? AND state <> 'queued'
         AND NOT EXISTS (
           SELECT 1 FROM conversation_runs AS r
           WHERE r.conversation = m.conversation AND r.id = json_extract(m.body, '$.run')
             AND (json_extract(r.body, '$.command') IS NOT NULL OR json_extract(r.body, '$.isAsked') IS NOT NULL))
       ORDER BY n DESC LIMIT ?`,
    );
    this.#putRun = db.prepare(
      `INSERT INTO conversation_runs (conversation, id, state, body) VALUES (?, ?, ?, ?)
       ON CONFLICT (conversation, id) DO UPDATE SET state = excluded.state, body = excluded.body`,
    );
    this.#run = db.prepare('SELECT * FROM conversation_runs WHERE conversation = ? AND id = ?');
    this.#running = db.prepare(
      "SELECT * FROM conversation_runs WHERE conversation = ? AND state = 'running' ORDER BY rowid DESC LIMIT 1",
    );
    this.#putReply = db.prepare(
      `INSERT INTO replies (conversation, run, url, tries, due_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (conversation, run) DO UPDATE SET tries = excluded.tries, due_at = excluded.due_at`,
    );
    this.#dueReplies = db.prepare('SELECT * FROM replies WHERE due_at <= ? ORDER BY due_at LIMIT 1000');
    this.#reply = db.prepare('SELECT * FROM replies WHERE conversation = ? AND run = ?');
    this.#dropReply = db.prepare('DELETE FROM replies WHERE conversation = ? AND run = ?');
  }

  /** Undefined when the key is taken. */
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
      createdAt: now,
      updatedAt: now,
    };
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

  /** Those that a restart has to look after. */
  listBusy(): readonly ConversationRecord[] {
    return this.#busy.all().flatMap((row) => toRecord(row) ?? []);
  }

  /** Those that `user` may see, the ones that changed last first. Throws `bad_request` for an `after` that is none. */
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

  /** Takes over what one entry of the log says. `place`: behind that entry. Returns the conversation as it is then. */
  apply(
    record: ConversationRecord,
    events: readonly ConversationEvent[],
    { epoch, place, state }: Pick<ConversationRecord, 'epoch' | 'place' | 'state'>,
  ): ConversationRecord {
    return transaction(this.#db, () => {
      let next: ConversationRecord = { ...record, epoch, place, state };
      for (const event of events) next = this.#applyOne(next, event);
      const { visibility, title, updatedAt } = next;
      this.#save.run(JSON.stringify(visibility), title, epoch, place, state, updatedAt, record.id);
      return next;
    });
  }

  /** The digest of what was asked for first, whatever was edited since. */
  digest(conversation: string, id: string): string | undefined {
    return (this.#message.get(conversation, id) as MessageRow | undefined)?.digest;
  }

  message(conversation: string, id: string): MessageInfo | undefined {
    return toMessage(this.#message.get(conversation, id));
  }

  /** Those that wait, in order. */
  waiting(conversation: string): MessageInfo[] {
    return this.#waiting.all(conversation).flatMap((row) => toMessage(row) ?? []);
  }

  /** What was said, oldest first; those that wait are not among it. Throws `bad_request` for a `before` that is none. */
  history(
    conversation: string,
    page: { readonly before?: string | undefined; readonly limit?: number | undefined },
  ): { readonly messages: readonly MessageInfo[]; readonly before: string | null } {
    const limit = Math.min(page.limit ?? DEFAULT_PAGE, MAX_PAGE);
    const before = page.before === undefined ? Number.MAX_SAFE_INTEGER : Number(page.before);
    if (!Number.isSafeInteger(before))
      throw new BinnacleError('bad_request', { message: 'before is not one of ours.' });
    const rows = this.#messages.all(conversation, before, limit + 1) as MessageRow[];
    const shown = rows.slice(0, limit).reverse();
    const first = shown[0];
    return {
      messages: shown.flatMap((row) => toMessage(row) ?? []),
      before: rows.length > limit && first !== undefined ? String(first.n) : null,
    };
  }

  /**
   * What was said to the agent and by it before a message was delivered, newest `CONTEXT_MESSAGES` of it, and who says
   * that. What went to commands, and what plugins kept from it, is none of it.
   */
  contextOf(
    conversation: string,
    id: string,
  ): { readonly history: readonly Pick<MessageInfo, 'role' | 'text'>[]; readonly by: Author } {
    const row = this.#message.get(conversation, id) as MessageRow | undefined;
    const by = toMessage(row)?.by ?? { user: null, name: '' };
    const rows = this.#context.all(conversation, row?.n ?? 0, CONTEXT_MESSAGES).reverse();
    const said = rows.flatMap((one) => toMessage(one) ?? []).filter(({ state }) => state === 'delivered');
    return { history: said.map(({ role, text }) => ({ role, text })), by };
  }

  run(conversation: string, id: string): ConversationRun | undefined {
    return this.#withText(conversation, toRun(this.#run.get(conversation, id)));
  }

  /** The one that was under way. */
  running(conversation: string): RunRecord | undefined {
    return toRun(this.#running.get(conversation));
  }

  putReply(reply: ReplyRecord): void {
    this.#putReply.run(reply.conversation, reply.run, reply.url, reply.tries, reply.dueAt);
  }

  dueReplies(now: number): readonly ReplyRecord[] {
    return this.#dueReplies.all(now).map((row) => toReply(row as ReplyRow));
  }

  reply(conversation: string, run: string): ReplyRecord | undefined {
    const row = this.#reply.get(conversation, run);
    return row === undefined ? undefined : toReply(row as ReplyRow);
  }

  dropReply(conversation: string, run: string): void {
    this.#dropReply.run(conversation, run);
  }

  #withText(conversation: string, run: RunRecord | undefined): ConversationRun | undefined {
    if (run === undefined) return undefined;
    return { ...run, text: this.message(conversation, answerId(run.id))?.text ?? '' };
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
        this.#change(id, event.id, { text: event.text });
        return record;
      case 'message_cancelled':
        this.#change(id, event.id, { state: 'cancelled' });
        return record;
      case 'message_delivered':
        // It takes its place among what was said when the agent has it, not when it was put into the queue.
        this.#change(
          id,
          event.id,
          { state: 'delivered', run: event.run, ...(event.run === event.id ? { steer: 'queue' } : {}) },
          this.#nextN(id),
        );
        return record;
      case 'run_started': {
        const { text: _, ...run } = event.run;
        this.#putRun.run(id, run.id, run.state, JSON.stringify(run));
        return { ...record, updatedAt: Math.round(event.at) };
      }
      case 'run_allowed': {
        const run = toRun(this.#run.get(id, event.run));
        if (run !== undefined && run.end === null) {
          const { isAsked: _, ...given } = run;
          this.#putRun.run(id, run.id, run.state, JSON.stringify(given));
        }
        return record;
      }
      case 'final':
      case 'error':
      case 'aborted':
        this.#endRun(id, event);
        return { ...record, updatedAt: Math.round(event.at) };
      case 'changed':
        return {
          ...record,
          title: event.title ?? record.title,
          visibility: event.visibility ?? record.visibility,
          updatedAt: Math.round(event.at),
        };
      case 'delta':
      case 'tool':
      case 'agent':
      case 'approval':
      case 'approval_answered':
      case 'note':
        return record;
    }
  }

  #endRun(conversation: string, event: EndEvent): void {
    const run = toRun(this.#run.get(conversation, event.run));
    if (run === undefined || run.end !== null) return;
    const end = endOf(event);
    const usage = event.type === 'final' ? (event.usage ?? run.usage) : run.usage;
    const ended: RunRecord = { ...run, state: end.state, endedAt: event.at, end, usage };
    this.#putRun.run(conversation, run.id, ended.state, JSON.stringify(ended));
    if (event.text === '') return;
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
    });
  }

  #add(conversation: string, message: MessageInfo): void {
    const n = this.#nextN(conversation);
    const body = JSON.stringify(message);
    this.#addMessage.run(conversation, n, message.id, message.state, digestOf(message), body);
    if (n % DROP_STEP !== 0 || n <= KEPT_MESSAGES) return;
    this.#dropMessages.run(conversation, n - KEPT_MESSAGES);
    this.#dropRuns.run(conversation, conversation);
  }

  #nextN(conversation: string): number {
    return ((this.#lastN.get(conversation) as { readonly n: number | null }).n ?? 0) + 1;
  }

  #change(conversation: string, id: string, change: Partial<MessageInfo>, n?: number): void {
    const row = this.#message.get(conversation, id) as MessageRow | undefined;
    const message = toMessage(row);
    if (row === undefined || message === undefined) return;
    const changed = { ...message, ...change };
    this.#putMessage.run(n ?? row.n, changed.state, JSON.stringify(changed), conversation, id);
  }
}

export function endOf(event: EndEvent): RunEnd {
  switch (event.type) {
    case 'final':
      return event.stopReason === undefined ? { state: 'final' } : { state: 'final', stopReason: event.stopReason };
    case 'error':
      return { state: 'error', error: event.error };
    case 'aborted':
      return { state: 'aborted', via: event.via, by: event.by };
  }
}

/** Two messages with one id are the same if these are. */
export const digestOf = ({ text, timeoutMs = 0 }: { readonly text: string; readonly timeoutMs?: number }): string =>
  createHash('sha256').update(`${timeoutMs}\n${text}`).digest('base64url');

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
  readonly created_at: number;
  readonly updated_at: number;
}
interface MessageRow {
  readonly n: number;
  readonly id: string;
  readonly digest: string;
  readonly body: string;
}
interface ReplyRow {
  readonly conversation: string;
  readonly run: string;
  readonly url: string;
  readonly tries: number;
  readonly due_at: number;
}

// The rows were written by us, by these types.
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
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
const toMessage = (row: unknown): MessageInfo | undefined =>
  row === undefined ? undefined : (JSON.parse((row as MessageRow).body) as MessageInfo);
const toRun = (row: unknown): RunRecord | undefined =>
  row === undefined ? undefined : (JSON.parse((row as { readonly body: string }).body) as RunRecord);
const toReply = ({ conversation, run, url, tries, due_at }: ReplyRow): ReplyRecord => ({
  conversation,
  run,
  url,
  tries,
  dueAt: due_at,
});
