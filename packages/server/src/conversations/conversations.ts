// All conversations: which there are, and who may see, make and delete them. Knows no transport.

import {
  BinnacleError,
  type CommandInfo,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationKey,
  type ConversationList,
  type CreateConversation,
  formatPosition,
  isConversationKey,
  parseEpoch,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import { TrustedTime } from '../base/trusted-time.ts';
import type { GroupSync } from '../log/group-sync.ts';
import type { ConversationRecord, ConversationStore, NewConversation } from '../store/conversations.ts';
import { type Guard, NO_GUARD } from './agents/agent-hooks.ts';
import type { Agents } from './agents/agents.ts';
import type { ChatCommands } from './agents/chat-command.ts';
import type { Conversation } from './conversation.ts';
import { OpenConversations, type OpenConversationsOptions } from './registry.ts';
import { authorOf, mayManage, maySee, type Viewer } from './state/audience.ts';

export interface ConversationsOptions extends OpenConversationsOptions {
  readonly maxConversations: number;
  /** Of one user. */
  readonly maxConversationsOfUser: number;
  /** Made by the channels of one plugin. */
  readonly maxConversationsOfPlugin: number;
}

/** Told of everything, in the order of each log; for plugins, webhooks, metrics and connections. */
export interface ConversationListener {
  /**
   * Something other than text and tool calls: what it is, who may see it, what waits or runs. Without events: it was
   * made, or its lease has changed hands.
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
  /** Those of them that hear of every event: every delta goes through these, and there are thousands of the others. */
  readonly #hearers = new Set<ConversationListener>();
  /** Until they and their agents have ended. */
  readonly #deleting = new Map<string, Promise<void>>();
  #late = 0;

  constructor(
    options: ConversationsOptions,
    parts: {
      readonly store: ConversationStore;
      readonly agents: Agents;
      readonly group: GroupSync;
      readonly log: Logger;
      /** Default: one that knows no earlier gateway. */
      readonly time?: TrustedTime;
      /** Default: nobody is asked. */
      readonly guard?: Guard;
      /** Default: none. */
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
        changed: (conversation) => this.#tellChanged(conversation),
        happened: (conversation, events, position) => this.#happened(conversation, events, position),
        droppedLate: (count) => this.droppedLate(count),
      },
    );
  }

  get agents(): Agents {
    return this.#agents;
  }

  /** What messages can begin with to go to a plugin. */
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

  /** What agents told after their run was over, and nobody was shown. */
  get lateEvents(): number {
    return this.#late;
  }

  /** Of what came for a turn that is over. */
  droppedLate(count: number): void {
    this.#late += count;
  }

  /** Takes over what an earlier gateway left. */
  async recover(): Promise<void> {
    for (const record of this.#store.listBusy()) {
      try {
        await this.#open.load(record, true);
      } catch (error) {
        this.#log.error({ err: error, conversation: record.key }, 'a conversation could not be opened');
        return; // Its agent may be among those that nobody seems to have.
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
   * The conversation and whether it was made by this. Throws `unknown_agent`, `bad_key`, `bad_request`, `forbidden`,
   * `too_many_conversations`.
   */
  async create(
    asked: CreateConversation,
    by: Viewer,
  ): Promise<{ readonly conversation: Conversation; readonly isNew: boolean }> {
    if (asked.key !== undefined && asked.name !== undefined) {
      throw new BinnacleError('bad_request', { message: 'Pass key or name, not both.' });
    }
    const key = asked.key === undefined ? this.#ownKey(asked, by) : this.#anyKey(asked, by);
    this.#requireShare(key, by);
    const found = await this.#findOrMake(key, {
      owner: by.user,
      visibility: asked.visibility ?? { kind: 'private' },
      title: asked.title ?? '',
    });
    // A key that looks like their own may be somebody's whom they may not see.
    if (!maySee(found.conversation.record, by)) throw new BinnacleError('conversation_not_found');
    return found;
  }

  /** The one that a channel's messages go to, by the key that routing gave; `plugin`: whose channel. Throws as `create`. */
  async ofChannel(key: string, plugin?: string): Promise<Conversation> {
    if (!isConversationKey(key)) throw new BinnacleError('bad_key', { details: { key } });
    if (plugin !== undefined) this.#requireShareOf(plugin, key);
    const visibility = this.#agents.visibilityOf(agentOf(key));
    const made = { owner: null, visibility, title: '', ...(plugin === undefined ? {} : { plugin }) };
    return (await this.#findOrMake(key, made)).conversation;
  }

  /** Throws `conversation_not_found`, also for one that the viewer may not see: nobody learns that it is there. */
  async get(key: string, viewer: Pick<Viewer, 'user' | 'scope' | 'reach'>): Promise<Conversation> {
    const record = this.#store.find(key);
    if (record === undefined || this.#deleting.has(record.id) || !maySee(record, viewer)) {
      throw new BinnacleError('conversation_not_found');
    }
    const conversation = await this.#open.load(record);
    // Its rows may have been behind.
    if (!maySee(conversation.record, viewer)) throw new BinnacleError('conversation_not_found');
    return conversation;
  }

  /** Of sessions that belong to a conversation, by its id: a key can be another's later. */
  mayAccess(id: string, viewer: Pick<Viewer, 'user' | 'scope' | 'reach'>): boolean {
    const record = this.#store.byId(id);
    return record === undefined ? viewer.scope === 'admin' : maySee(record, viewer);
  }

  /** What is under way in one, by its id; undefined where that is nothing. */
  turnOf(id: string): Pick<Conversation, 'run' | 'approvals'> | undefined {
    const conversation = this.#open.find(id);
    return conversation?.isBusy === true ? conversation : undefined;
  }

  /** Undefined for one that was deleted. */
  keyOf(id: string): string | undefined {
    return this.#store.byId(id)?.key;
  }

  /** Those that changed last first. */
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
      // Else it is being deleted.
      if (!conversation.isClosed) conversations.push(this.infoOf(conversation, viewer));
    }
    return { conversations, next };
  }

  infoOf(conversation: Conversation, viewer: Viewer): ConversationInfo {
    const info = { ...conversation.info, mine: mayManage(conversation.record, viewer) };
    // Who else may see it is no business of a guest's.
    return viewer.reach == null ? info : { ...info, owner: null, visibility: { kind: 'private' } };
  }

  /** Of one that nothing happens in: without opening its log, so that a long list costs no more than its rows. */
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

  /** Throws `forbidden`. */
  requireManage(conversation: Conversation, viewer: Viewer): void {
    if (mayManage(conversation.record, viewer)) return;
    throw new BinnacleError('forbidden', { message: 'Only the owner of a conversation and admins may do that.' });
  }

  /** Ends what it does and removes it. */
  async delete(conversation: Conversation, by: Viewer): Promise<void> {
    this.requireManage(conversation, by);
    const { id } = conversation.record;
    // Nobody finds it any more, though its agent may take seconds to end.
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
    this.#tell((listener) => listener.deleted?.(conversation));
  }

  /** Calls back, once, when the viewer may not see it any more, or it is deleted. Returns what ends the watch. */
  onLoss(
    conversation: Conversation,
    viewer: Pick<Viewer, 'user' | 'scope' | 'reach'>,
    lost: (why: BinnacleError) => void,
  ): () => void {
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

  /** Those with a run under way. */
  working(): readonly Conversation[] {
    return this.#open.all.filter(({ run }) => run !== null);
  }

  /** Keeps it open while somebody reads it; what it returns lets go. */
  hold(conversation: Conversation): () => void {
    return this.#open.hold(conversation);
  }

  /** Lets go of everything. Agents that are processes go on, unless `abortRuns`. */
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
    // Also what is no agent could spell a key of somebody else's.
    if (this.#agents.of(agent) === undefined) throw unknownAgent(agent);
    const key = name === undefined ? `agent:${agent}:chat:${uuidv7()}` : `agent:${agent}:user:${by.user}:${name}`;
    if (isConversationKey(key)) return key;
    throw new BinnacleError('bad_request', {
      message: 'Names of agents and conversations hold no control characters.',
    });
  }

  /** One user's script must not use up everybody's conversations. Throws `too_many_conversations`. */
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

  /** Senders of a channel are as many as its plugin says. Throws `too_many_conversations`. */
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
    // Somebody was quicker: that is the one.
    if (record === undefined) return await this.#findOrMake(key, made);
    try {
      this.#open.describe(record, made.plugin ?? null);
    } catch (error) {
      this.#store.remove(record.id);
      throw error;
    }
    const conversation = await this.#open.load(record);
    this.#tellChanged(conversation);
    return { conversation, isNew: true };
  }

  /** One listener's fault must not keep the others from hearing, nor undo what is kept. */
  #tell(call: (listener: ConversationListener) => void, among = this.#listeners): void {
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
    this.#tell((listener) => listener.happened?.(conversation, events, position), this.#hearers);
    if (isChange) this.#tell((listener) => listener.changed?.(conversation, events));
  }

  /** Something of it that its log does not tell: that it is there, who holds its lease. */
  #tellChanged(conversation: Conversation): void {
    this.#tell((listener) => listener.changed?.(conversation, []));
  }
}

/** The agent that a key names. */
const agentOf = (key: ConversationKey): string => key.split(':', 2)[1] ?? '';

const unknownAgent = (agent: string): BinnacleError =>
  new BinnacleError('unknown_agent', { message: `No such agent: ${JSON.stringify(agent)}.`, details: { agent } });
