// All conversations: lists them, and decides who may see, create and delete them.

import {
  BinnacleError,
  type CommandInfo,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationKey,
  type ConversationList,
  type CreateConversation,
  defined,
  formatPosition,
  isConversationKey,
  parseEpoch,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import { TrustedTime } from '../base/trusted-time.ts';
import type { GroupSync } from '../log/group-sync.ts';
import type { ConversationRecord, ConversationStore, NewConversation } from '../store/conversations.ts';
import { type AgentGuard, NO_GUARD } from './agents/agent-hooks.ts';
import type { Agents } from './agents/agents.ts';
import type { ChatCommands } from './agents/chat-command.ts';
import type { Conversation } from './conversation.ts';
import { OpenConversations, type OpenConversationsOptions } from './registry.ts';
import { authorOf, mayManage, maySee, type Viewer, type ViewerRights } from './state/audience.ts';

export interface ConversationsOptions extends OpenConversationsOptions {
  readonly maxConversations: number;
  /** Maximum conversations per user. */
  readonly maxConversationsOfUser: number;
  /** Maximum conversations created by the channels of one plugin. */
  readonly maxConversationsOfPlugin: number;
}

/** Listener to all conversations, in the order of each log: plugins, webhooks, metrics and connections. */
export interface ConversationListener {
  /**
   * Called for every change but text and tool calls: title, visibility, queue, run. Called without events when a
   * conversation was created or its lease has changed hands.
   */
  changed?(conversation: Conversation, events: readonly ConversationEvent[]): void;
  happened?(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
  deleted?(conversation: Conversation): void;
}

export class Conversations {
  readonly #options: ConversationsOptions;
  readonly #store: ConversationStore;
  readonly #agents: Agents;
  readonly #log: Logger;
  readonly #commands: ChatCommands;
  readonly #open: OpenConversations;
  readonly #listeners = new Set<ConversationListener>();
  /** Listeners with `happened`. Every delta goes through these few; there are thousands of other listeners. */
  readonly #hearers = new Set<ConversationListener>();
  /** Conversations that are being deleted, until they and their agents have ended. */
  readonly #deleting = new Map<string, Promise<void>>();
  #late = 0;

  constructor(
    options: ConversationsOptions,
    parts: {
      readonly store: ConversationStore;
      readonly agents: Agents;
      readonly group: GroupSync;
      readonly log: Logger;
      /** Default: a clock without knowledge of an earlier gateway. */
      readonly time?: TrustedTime;
      /** Default: a guard that allows everything. */
      readonly guard?: AgentGuard;
      /** Default: no commands. */
      readonly commands?: ChatCommands;
    },
  ) {
    this.#options = options;
    this.#store = parts.store;
    this.#agents = parts.agents;
    this.#log = parts.log;
    this.#commands = parts.commands ?? (() => []);
    this.#open = new OpenConversations(
      options,
      { ...parts, guard: parts.guard ?? NO_GUARD, time: parts.time ?? new TrustedTime(), commands: this.#commands },
      {
        changed: (conversation) => this.#notifyChanged(conversation),
        happened: (conversation, events, position) => this.#happened(conversation, events, position),
        droppedLate: (count) => this.droppedLate(count),
      },
    );
  }

  get agents(): Agents {
    return this.#agents;
  }

  /** Chat commands of plugins, each name once. */
  get commands(): readonly CommandInfo[] {
    const names = new Set<string>();
    const isFirst = ({ name }: CommandInfo): boolean => !names.has(name) && names.add(name).has(name);
    return this.#commands()
      .filter(isFirst)
      .map(({ name, description, plugin }) => ({ name, description, plugin }));
  }

  get count(): number {
    return this.#store.count();
  }

  /** Number of events that agents sent after the end of their run. They were not shown. */
  get lateEvents(): number {
    return this.#late;
  }

  /** Counts events of a run that has ended. */
  droppedLate(count: number): void {
    this.#late += count;
  }

  /** Takes over the work that an earlier gateway left. */
  async recover(): Promise<void> {
    for (const record of this.#store.listBusy()) {
      try {
        await this.#open.load(record, true);
      } catch (error) {
        this.#log.error({ err: error, conversation: record.key }, 'a conversation could not be opened');
        return; // Its agent may be among those that seem to have no conversation.
      }
    }
    await this.#agents.endOthers(new Set(this.#open.all.flatMap(({ process }) => process ?? [])));
  }

  listen(listener: ConversationListener): () => void {
    this.#listeners.add(listener);
    if (listener.happened !== undefined) this.#hearers.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#hearers.delete(listener);
    };
  }

  /**
   * Creates or finds a conversation, and tells which of the two. Throws `unknown_agent`, `bad_key`, `bad_request`,
   * `forbidden`, `too_many_conversations`.
   */
  async create(
    request: CreateConversation,
    by: Viewer,
  ): Promise<{ readonly conversation: Conversation; readonly isNew: boolean }> {
    if (request.key !== undefined && request.name !== undefined) {
      throw new BinnacleError('bad_request', { message: 'Pass key or name, not both.' });
    }
    const key = request.key === undefined ? this.#ownKey(request, by) : this.#anyKey(request, by);
    this.#requireShare(key, by);
    const found = await this.#findOrMake(key, {
      owner: by.user,
      visibility: request.visibility ?? { kind: 'private' },
      title: request.title ?? '',
    });
    // A key that looks like the caller's own may belong to another user.
    if (!maySee(found.conversation.record, by)) throw new BinnacleError('conversation_not_found');
    return found;
  }

  /**
   * Returns the conversation for a channel's messages, by the key from routing. `plugin`: owner of the channel. Throws
   * as `create` does.
   */
  async ofChannel(key: string, plugin?: string): Promise<Conversation> {
    if (!isConversationKey(key)) throw new BinnacleError('bad_key', { details: { key } });
    if (plugin !== undefined) this.#requireShareOf(plugin, key);
    const visibility = this.#agents.visibilityOf(agentOf(key));
    const made = { owner: null, visibility, title: '', ...defined({ plugin }) };
    return (await this.#findOrMake(key, made)).conversation;
  }

  /**
   * Returns a conversation. Throws `conversation_not_found` also for a conversation that the viewer may not see, so
   * that its existence stays secret.
   */
  async get(key: string, viewer: ViewerRights): Promise<Conversation> {
    const record = this.#store.find(key);
    if (record === undefined || this.#deleting.has(record.id) || !maySee(record, viewer)) {
      throw new BinnacleError('conversation_not_found');
    }
    const conversation = await this.#open.load(record);
    // The row may have been behind the log.
    if (!maySee(conversation.record, viewer)) throw new BinnacleError('conversation_not_found');
    return conversation;
  }

  /**
   * Returns whether a viewer may see the sessions of a conversation. By id: a key can later belong to another
   * conversation. Rows are behind while the catalogue cannot be written.
   */
  mayAccess(id: string, viewer: ViewerRights): boolean {
    const record = this.#open.find(id)?.record ?? this.#store.byId(id);
    return record === undefined ? viewer.scope === 'admin' : maySee(record, viewer);
  }

  /** Returns a conversation that a viewer may see, by id; undefined for others, and for one that is being deleted. */
  seenBy(viewer: ViewerRights, id: string): ConversationRecord | undefined {
    const record = this.#open.find(id)?.record ?? this.#store.byId(id);
    return record !== undefined && !this.#deleting.has(id) && maySee(record, viewer) ? record : undefined;
  }

  /** Returns the ids of all conversations that a viewer may see; undefined for an admin, who may see all. */
  idsSeenBy(viewer: ViewerRights): readonly string[] | undefined {
    if (viewer.scope === 'admin') return undefined;
    const ids = new Set(this.#store.idsSeenBy(viewer.user));
    for (const { record } of this.#open.all) ids[maySee(record, viewer) ? 'add' : 'delete'](record.id);
    for (const id of this.#deleting.keys()) ids.delete(id);
    return [...ids];
  }

  /** Returns a conversation with work under way, by id; undefined if it is idle. */
  turnOf(id: string): Pick<Conversation, 'run' | 'approvals'> | undefined {
    const conversation = this.#open.find(id);
    return conversation?.isBusy === true ? conversation : undefined;
  }

  /** Returns the key; undefined for a deleted conversation. */
  keyOf(id: string): string | undefined {
    return this.#store.byId(id)?.key;
  }

  /** Lists conversations, the most recently changed first. */
  async list(
    viewer: Viewer,
    page: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<ConversationList> {
    const { records, next } = this.#store.list({ user: viewer.user, isAdmin: viewer.scope === 'admin' }, page);
    const conversations: ConversationInfo[] = [];
    for (const record of records) {
      const isQuiet =
        this.#open.find(record.id) === undefined &&
        record.state === 'idle' &&
        record.lease === null &&
        record.epoch !== '';
      if (isQuiet) {
        conversations.push(this.#quietInfo(record, viewer));
        continue;
      }
      const conversation = await this.#open.load(record);
      // A closed conversation is being deleted.
      if (!conversation.isClosed) conversations.push(this.infoOf(conversation, viewer));
    }
    return { conversations, next };
  }

  infoOf(conversation: Conversation, viewer: Viewer): ConversationInfo {
    const info = { ...conversation.info, mine: mayManage(conversation.record, viewer) };
    return viewer.guest?.conversationOf(info) ?? info;
  }

  /** Describes an idle conversation without opening its log, so that a long list costs only its rows. */
  #quietInfo(record: ConversationRecord, viewer: Viewer): ConversationInfo {
    const { key, agent, owner, visibility, title, createdAt, updatedAt, epoch, place, usage } = record;
    return {
      key,
      agent,
      owner,
      visibility,
      title,
      createdAt,
      updatedAt,
      position: formatPosition({ epoch: parseEpoch(epoch), place, offset: 0 }),
      epoch,
      run: null,
      queue: [],
      approvals: [],
      lease: null,
      usage,
      steer: this.#agents.of(agent)?.driver.steer ?? ['queue'],
      mine: mayManage(record, viewer),
    };
  }

  /** Throws `forbidden` unless the viewer may manage the conversation. */
  requireManage(conversation: Conversation, viewer: Viewer): void {
    if (mayManage(conversation.record, viewer)) return;
    throw new BinnacleError('forbidden', { message: 'Only the owner of a conversation and admins may do that.' });
  }

  /** Ends all work of a conversation and removes it. */
  async delete(conversation: Conversation, by: Viewer): Promise<void> {
    this.requireManage(conversation, by);
    const { id } = conversation.record;
    // Lookups fail from now on, although the agent may take seconds to end.
    const ended = conversation.destroy(authorOf(by));
    this.#deleting.set(id, ended);
    try {
      await ended;
      this.#open.undescribe(id);
      this.#store.remove(id);
      this.#open.forget(id);
    } finally {
      this.#deleting.delete(id);
    }
    this.#notify((listener) => listener.deleted?.(conversation));
  }

  /**
   * Calls `lost` once, when the viewer may no longer see the conversation or it is deleted. Returns the function that
   * ends the watch.
   */
  onLoss(conversation: Conversation, viewer: ViewerRights, lost: (why: BinnacleError) => void): () => void {
    const unlisten = this.listen({
      changed: (other) => {
        if (other === conversation && !maySee(other.record, viewer)) lose();
      },
      deleted: (other) => {
        if (other === conversation) lose();
      },
    });
    const lose = (): void => {
      unlisten();
      lost(new BinnacleError('conversation_not_found'));
    };
    return unlisten;
  }

  /** Returns the conversations with a run under way. */
  working(): readonly Conversation[] {
    return this.#open.all.filter(({ run }) => run !== null);
  }

  /** Keeps a conversation open while a reader uses it. Returns the function that releases it. */
  hold(conversation: Conversation): () => void {
    return this.#open.hold(conversation);
  }

  /** Closes all conversations. Agents that are processes continue, unless `abortRuns` is set. */
  async close(abortRuns: boolean): Promise<void> {
    await this.#open.close(abortRuns);
  }

  #ownKey({ agent = this.#agents.defaultAgent, name }: CreateConversation, by: Viewer): ConversationKey {
    if (agent === undefined) {
      throw new BinnacleError('unknown_agent', {
        message: 'No agent is the default one.',
        hint: 'Pass agent, one of GET /v1/agents.',
      });
    }
    // A name that is no agent could otherwise spell the key of another user.
    if (this.#agents.of(agent) === undefined) throw unknownAgent(agent);
    const key = name === undefined ? `agent:${agent}:chat:${uuidv7()}` : `agent:${agent}:user:${by.user}:${name}`;
    if (isConversationKey(key)) return key;
    throw new BinnacleError('bad_request', {
      message: 'Names of agents and conversations hold no control characters.',
    });
  }

  /** Protects the total from one user's script. Throws `too_many_conversations`. */
  #requireShare(key: ConversationKey, by: Viewer): void {
    const { maxConversationsOfUser } = this.#options;
    if (by.scope === 'admin' || this.#store.find(key) !== undefined) return;
    if (this.#store.countOf(by.user) < maxConversationsOfUser) return;
    throw new BinnacleError('too_many_conversations', {
      message: 'You have as many conversations as one user may have.',
      hint: 'Delete some of them.',
      details: { limit: maxConversationsOfUser },
    });
  }

  /**
   * Protects the total from a plugin, which decides how many senders a channel has. Throws `too_many_conversations`.
   */
  #requireShareOf(plugin: string, key: ConversationKey): void {
    const { maxConversationsOfPlugin: limit } = this.#options;
    if (this.#store.find(key) !== undefined || this.#store.countOfPlugin(plugin) < limit) return;
    throw new BinnacleError('too_many_conversations', {
      message: `The channels of the plugin "${plugin}" have made as many conversations as those of one may.`,
      hint: 'Delete some of them.',
      details: { plugin, limit },
    });
  }

  #anyKey({ key = '', agent }: CreateConversation, by: Viewer): ConversationKey {
    if (by.scope !== 'admin') {
      throw new BinnacleError('forbidden', {
        message: 'Choosing the key needs the scope "admin".',
        hint: 'Pass a name instead: the key is made of it.',
      });
    }
    if (!isConversationKey(key)) throw new BinnacleError('bad_key');
    if (agent !== undefined && agent !== agentOf(key)) {
      throw new BinnacleError('bad_request', { message: 'The key names another agent.' });
    }
    return key;
  }

  async #findOrMake(
    key: ConversationKey,
    made: Pick<NewConversation, 'owner' | 'visibility' | 'title' | 'plugin'>,
  ): Promise<{ readonly conversation: Conversation; readonly isNew: boolean }> {
    const known = this.#store.find(key);
    const deleting = known === undefined ? undefined : this.#deleting.get(known.id);
    if (deleting !== undefined) {
      await deleting;
      return await this.#findOrMake(key, made);
    }
    if (known !== undefined) return { conversation: await this.#open.load(known), isNew: false };
    const agent = agentOf(key);
    if (this.#agents.of(agent) === undefined) throw unknownAgent(agent);
    const { maxConversations } = this.#options;
    if (this.#store.count() >= maxConversations) {
      throw new BinnacleError('too_many_conversations', { details: { limit: maxConversations } });
    }
    const record = this.#store.insert({ id: uuidv7(), key, agent, ...made });
    // Lost a race: another caller has created it.
    if (record === undefined) return await this.#findOrMake(key, made);
    try {
      this.#open.describe(record, made.plugin ?? null);
    } catch (error) {
      this.#store.remove(record.id);
      throw error;
    }
    const conversation = await this.#open.load(record);
    this.#notifyChanged(conversation);
    return { conversation, isNew: true };
  }

  /** Calls each listener. A failure of one must neither stop the others nor undo what is stored. */
  #notify(call: (listener: ConversationListener) => void, among = this.#listeners): void {
    for (const listener of [...among]) {
      try {
        call(listener);
      } catch (error) {
        this.#log.error({ err: error }, 'a listener of conversations failed');
      }
    }
  }

  #happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void {
    const isChange = events.some(({ type }) => type !== 'delta' && type !== 'tool' && type !== 'agent');
    this.#notify((listener) => listener.happened?.(conversation, events, position), this.#hearers);
    if (isChange) this.#notify((listener) => listener.changed?.(conversation, events));
  }

  /** Reports a change that is not in the log: the creation, or a change of the lease. */
  #notifyChanged(conversation: Conversation): void {
    this.#notify((listener) => listener.changed?.(conversation, []));
  }
}

/** Returns the agent that a key names. */
const agentOf = (key: ConversationKey): string => key.split(':', 2)[1] ?? '';

const unknownAgent = (agent: string): BinnacleError =>
  new BinnacleError('unknown_agent', { message: `No such agent: ${JSON.stringify(agent)}.`, details: { agent } });
