// The conversations that are open: one object for each that was asked for, and the files of those that work or are read.
// Knows no viewer.

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
import type { Guard } from './agents/agent-hooks.ts';
import type { Agents } from './agents/agents.ts';
import type { ChatCommands } from './agents/chat-command.ts';
import { Conversation, type ConversationParts } from './conversation.ts';
import { Transcript } from './state/transcript.ts';
import { WriteLease, type WriteLeaseTimes } from './write-lease.ts';

export interface OpenConversationsOptions {
  readonly dir: string;
  /** Messages that wait in one conversation. */
  readonly maxQueued: number;
  readonly maxMessageBytes: number;
  /** Bytes of log kept of one conversation. */
  readonly retainBytes: number;
  readonly leaseTimes: Partial<WriteLeaseTimes>;
}

interface With {
  readonly store: ConversationStore;
  readonly agents: Agents;
  readonly group: GroupSync;
  readonly log: Logger;
  readonly guard: Guard;
  readonly time: TrustedTime;
  readonly commands: ChatCommands;
}

/** What is told of each. */
interface Told {
  /** Its lease has changed hands. */
  changed(conversation: Conversation): void;
  happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
  droppedLate(count: number): void;
}

/** Without work and without readers, with their files open. Each holds a few descriptors. */
const MAX_IDLE = 64;
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Each conversation that is read at its head has one; with fewer, hundreds that talk at once open and close all the time. */
const OPEN_FILES = 512;
const PAGE_CACHE_BYTES = 8 * 1024 * 1024;

export class OpenConversations {
  readonly #options: OpenConversationsOptions;
  readonly #with: With;
  readonly #told: Told;
  readonly #pages = {
    cache: new PageCache({ maxBytes: PAGE_CACHE_BYTES }),
    files: new SegmentFiles({ maxOpen: OPEN_FILES }),
  };
  /** By id, those that were asked for; the ones used last are last. */
  readonly #open = new Map<string, Conversation>();
  readonly #opening = new Map<string, Promise<Conversation>>();
  /** How many read a conversation, so that nobody closes it under them. */
  readonly #held = new Map<string, number>();
  #isEvicting = false;

  constructor(options: OpenConversationsOptions, parts: With, told: Told) {
    this.#options = options;
    this.#with = parts;
    this.#told = told;
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  get all(): readonly Conversation[] {
    return [...this.#open.values()];
  }

  find(id: string): Conversation | undefined {
    return this.#open.get(id);
  }

  /** Opens it where it is not. `mustRecover`: what an earlier gateway left under way is taken over. */
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

  /** Keeps it open while somebody reads it; what it returns lets go. */
  hold(conversation: Conversation): () => void {
    const { id } = conversation.record;
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#held.get(id) ?? 1) - 1;
      if (left === 0) this.#held.delete(id);
      else this.#held.set(id, left);
    };
  }

  /** Keeps beside its log what the log does not say. Throws what writing throws. */
  describe(record: ConversationRecord, plugin: string | null): void {
    describeConversation(this.#dirOf(record.id), record, plugin);
  }

  /** Before the row of one goes that has ended. */
  undescribe(id: string): void {
    forgetConversation(this.#dirOf(id));
  }

  /** Removes the files of one that has ended. */
  forget(id: string): void {
    this.#open.delete(id);
    rmSync(this.#dirOf(id), { recursive: true, force: true });
  }

  /** Agents that are processes go on, unless `abortRuns`. */
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

  /** Whoever has opened files may still be at work with them in this turn of the event loop. */
  #evictSoon(): void {
    if (this.#isEvicting) return;
    this.#isEvicting = true;
    setImmediate(() => {
      this.#isEvicting = false;
      this.#evict();
    });
  }

  /** Closes the files of those that were used longest ago. The conversations stay: there is one object for each. */
  #evict(): void {
    const open = this.all.filter((one) => one.isOpen);
    let surplus = open.length - MAX_IDLE;
    for (const conversation of open) {
      if (surplus <= 0) return;
      if (conversation.isBusy || this.#held.has(conversation.record.id)) continue;
      surplus -= 1;
      conversation.release();
    }
  }

  #parts(): ConversationParts {
    const { maxQueued, maxMessageBytes, retainBytes, leaseTimes } = this.#options;
    const { store, agents, group, log, guard, commands, time } = this.#with;
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
        new WriteLease(lease, {
          times: leaseTimes,
          processOf: readProcess,
          save: (state) => store.setLease(id, state),
          changed: () => {
            const conversation = this.#open.get(id);
            if (conversation !== undefined) this.#told.changed(conversation);
          },
        }),
      agent: (id) => agents.of(id),
      happened: (conversation, events, position) => this.#told.happened(conversation, events, position),
      droppedLate: (count) => this.#told.droppedLate(count),
    };
  }

  #dirOf(id: string): string {
    return join(this.#options.dir, id);
  }
}
