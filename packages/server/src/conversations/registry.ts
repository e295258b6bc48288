// The open conversations: one object for each conversation in use, with open files for those that work or have readers.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ConversationEvent } from '@binnacle/protocol';
import type { Logger } from 'pino';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { GroupSync } from '../log/group-sync.ts';
import { PageCache } from '../log/page-cache.ts';
import { SegmentFiles } from '../log/segment-files.ts';
import { readProcess } from '../process/session-processes.ts';
import type { ConversationRecord, ConversationStore } from '../store/conversations.ts';
import { describeConversation, forgetConversation } from '../store/recovery/descriptions.ts';
import type { AgentGuard } from './agents/agent-hooks.ts';
import type { Agents } from './agents/agents.ts';
import type { ChatCommands } from './agents/chat-command.ts';
import { Conversation, type ConversationParts } from './conversation.ts';
import { ConversationLease, type ConversationLeaseTimes } from './lease.ts';
import { Transcript } from './state/transcript.ts';

export interface OpenConversationsOptions {
  readonly dir: string;
  /** Maximum queued messages per conversation. */
  readonly maxQueued: number;
  readonly maxMessageBytes: number;
  /** Bytes of log to retain per conversation. */
  readonly retainBytes: number;
  readonly leaseTimes: Partial<ConversationLeaseTimes>;
}

interface OpenConversationsParts {
  readonly store: ConversationStore;
  readonly agents: Agents;
  readonly group: GroupSync;
  readonly log: Logger;
  readonly guard: AgentGuard;
  readonly time: TrustedTime;
  readonly commands: ChatCommands;
}

/** Listener to all open conversations. */
interface OpenConversationsListener {
  /** Called when the lease has changed hands. */
  changed(conversation: Conversation): void;
  happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
  droppedLate(count: number): void;
}

/** Number of conversations with open files above which idle ones are closed. Each has a few file descriptors. */
const MAX_IDLE = 64;
const SEGMENT_BYTES = 4 * 1024 * 1024;
/**
 * Maximum open segment files. Each conversation that is read at its head needs one; with fewer, hundreds of active
 * conversations would open and close files all the time.
 */
const OPEN_FILES = 512;
const PAGE_CACHE_BYTES = 8 * 1024 * 1024;

export class OpenConversations {
  readonly #options: OpenConversationsOptions;
  readonly #shared: OpenConversationsParts;
  readonly #listener: OpenConversationsListener;
  readonly #pages = {
    cache: new PageCache({ maxBytes: PAGE_CACHE_BYTES }),
    files: new SegmentFiles({ maxOpen: OPEN_FILES }),
  };
  /** Conversations in use, by id; the most recently used last. */
  readonly #open = new Map<string, Conversation>();
  readonly #opening = new Map<string, Promise<Conversation>>();
  /** Number of readers per conversation. A conversation with readers is not closed. */
  readonly #readers = new Map<string, number>();
  #isEvicting = false;

  constructor(options: OpenConversationsOptions, parts: OpenConversationsParts, listener: OpenConversationsListener) {
    this.#options = options;
    this.#shared = parts;
    this.#listener = listener;
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  get all(): readonly Conversation[] {
    return [...this.#open.values()];
  }

  find(id: string): Conversation | undefined {
    return this.#open.get(id);
  }

  /** Returns the conversation, opened if necessary. `mustRecover`: takes over the work that an earlier gateway left. */
  async load(record: ConversationRecord, mustRecover = false): Promise<Conversation> {
    const { id } = record;
    const open = this.#open.get(id);
    if (open !== undefined) {
      this.#open.delete(id);
      this.#open.set(id, open);
      return open;
    }
    const opening = this.#opening.get(id) ?? this.#makeOpen(record, mustRecover);
    this.#opening.set(id, opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(id);
    }
  }

  /** Keeps the conversation open while a reader uses it. Returns the function that releases it. */
  hold(conversation: Conversation): () => void {
    const { id } = conversation.record;
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    let isReading = true;
    return () => {
      if (!isReading) return;
      isReading = false;
      const left = (this.#readers.get(id) ?? 1) - 1;
      if (left === 0) this.#readers.delete(id);
      else this.#readers.set(id, left);
    };
  }

  /** Stores beside the log what the log does not contain. Throws the errors of the write. */
  describe(record: ConversationRecord, plugin: string | null): void {
    describeConversation(this.#dirOf(record.id), record, plugin);
  }

  /** Removes the description. Call before removing the row of a conversation that has ended. */
  undescribe(id: string): void {
    forgetConversation(this.#dirOf(id));
  }

  /** Removes the files of a conversation that has ended. */
  forget(id: string): void {
    this.#open.delete(id);
    rmSync(this.#dirOf(id), { recursive: true, force: true });
  }

  /** Closes all conversations. Agents that are processes continue, unless `abortRuns` is set. */
  async close(abortRuns: boolean): Promise<void> {
    await Promise.all(this.all.map((one) => one.close(abortRuns)));
    this.#open.clear();
    this.#pages.files.close();
  }

  async #makeOpen(record: ConversationRecord, mustRecover: boolean): Promise<Conversation> {
    const conversation = new Conversation(record, this.#parts());
    if (mustRecover || conversation.isBehind) await conversation.recover();
    this.#open.set(record.id, conversation);
    return conversation;
  }

  /** Evicts in a later event-loop turn: a caller that has just opened files may still use them in this one. */
  #evictSoon(): void {
    if (this.#isEvicting) return;
    this.#isEvicting = true;
    setImmediate(() => {
      this.#isEvicting = false;
      this.#evict();
    });
  }

  /**
   * Closes the files of the least recently used conversations. The objects stay, because each conversation has exactly
   * one.
   */
  #evict(): void {
    const open = this.all.filter((one) => one.isOpen);
    let surplus = open.length - MAX_IDLE;
    for (const conversation of open) {
      if (surplus <= 0) return;
      if (conversation.isBusy || this.#readers.has(conversation.record.id)) continue;
      surplus -= 1;
      conversation.release();
    }
  }

  #parts(): ConversationParts {
    const { maxQueued, maxMessageBytes, retainBytes, leaseTimes } = this.#options;
    const { store, agents, group, log, guard, commands, time } = this.#shared;
    return {
      ...{ store, log, guard, commands, time },
      limits: { maxQueued, maxMessageBytes },
      openTranscript: ({ id }) => {
        const dir = this.#dirOf(id);
        const isNew = !existsSync(dir);
        this.#evictSoon();
        return Transcript.open(dir, isNew, { segmentBytes: SEGMENT_BYTES, retainBytes, group, pages: this.#pages });
      },
      makeLease: ({ id, lease }) =>
        new ConversationLease(lease, {
          times: leaseTimes,
          processOf: readProcess,
          save: (state) => store.setLease(id, state),
          changed: () => {
            const conversation = this.#open.get(id);
            if (conversation !== undefined) this.#listener.changed(conversation);
          },
        }),
      agent: (id) => agents.of(id),
      happened: (conversation, events, position) => this.#listener.happened(conversation, events, position),
      droppedLate: (count) => this.#listener.droppedLate(count),
    };
  }

  #dirOf(id: string): string {
    return join(this.#options.dir, id);
  }
}
