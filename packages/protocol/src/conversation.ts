// What the API says about conversations: a session key, its messages and its runs, as a log of JSON events.

import type { WireError } from './codes.ts';
import type { LeaseInfo } from './session.ts';
import type { SilenceInfo } from './silence.ts';

declare const brand: unique symbol;
/** `agent:<agent>:<rest>`, at most 512 characters, none of them a control character. */
export type ConversationKey = string & { readonly [brand]: 'ConversationKey' };

/** The agent is a slug, see routing; the rest is not empty and does not begin with a colon. */
const KEY = /^agent:[a-z0-9][a-z0-9_-]{0,63}:[^:\p{Cc}\p{Cs}][^\p{Cc}\p{Cs}]*$/u;
export const isConversationKey = (text: string): text is ConversationKey => text.length <= 512 && KEY.test(text);

/** Who may see it besides its owner and the scope `admin`. */
export type Visibility =
  | { readonly kind: 'private' }
  | { readonly kind: 'shared'; readonly with: readonly string[] }
  /** Every token of this gateway. */
  | { readonly kind: 'everyone' };

/**
 * What becomes of a message that is sent while a run is under way: it waits for its turn (`queue`, every agent can), is
 * handed into the running turn (`inject`), or ends it and is next (`interrupt`).
 */
export type SteerMode = 'queue' | 'inject' | 'interrupt';

/** Who did something. `user`: null where it was no person (a channel, the gateway itself). */
export interface Author {
  readonly user: string | null;
  /** For people to read: the name of the token, of the sender on a channel. */
  readonly name: string;
}

/**
 * `queued`: accepted and kept. `delivered`: the agent has it: it began `run`, or was handed into it. `cancelled`: taken
 * back, or aborted while it waited.
 */
export type MessageState = 'queued' | 'delivered' | 'cancelled';

export interface SendMessage {
  /** Chosen by the client: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. Sent twice it acts once. Default: one of ours. */
  readonly id?: string;
  /** Not empty; at most `maxMessageBytes` of the gateway (256 KiB) as UTF-8. */
  readonly text: string;
  /** Default `queue`. What an agent cannot do becomes `queue`, and the answer says so. */
  readonly steer?: SteerMode;
  /** Milliseconds from the start of the run after which it is aborted. Default: the agent's. */
  readonly timeoutMs?: number;
}

export interface MessageInfo {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly by: Author;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Of the assistant's: always `delivered`. */
  readonly state: MessageState;
  /** What was done, which is not always what was asked for. */
  readonly steer: SteerMode;
  /** The run that it began or was handed into, or whose answer it is. Null while it waits and when it was cancelled. */
  readonly run: string | null;
  /** Milliseconds from the start of its run after which that is aborted; none: the agent's. */
  readonly timeoutMs?: number;
  /** Of an answer: how its run ended. */
  readonly ended?: RunEnd['state'];
  /** Of an answer, where its agent told: what its run took. */
  readonly usage?: Usage;
}

export type ConversationRunState = 'queued' | 'running' | 'final' | 'error' | 'aborted';

/** By which road a run was aborted. */
export type AbortVia = 'run' | 'conversation' | 'stop_text' | 'timeout' | 'shutdown' | 'interrupt' | 'deleted';

/** One definite end. */
export type RunEnd =
  | { readonly state: 'final'; readonly stopReason?: string }
  /** `error.code`: one of the table, or `agent_failed` with the agent's own words. */
  | { readonly state: 'error'; readonly error: WireError }
  | { readonly state: 'aborted'; readonly via: AbortVia; readonly by: Author };

/** One turn of an agent. Its id is that of the message which began it. */
export interface ConversationRun {
  readonly id: string;
  readonly conversation: ConversationKey;
  readonly agent: string;
  readonly state: ConversationRunState;
  /** Who sent the message. */
  readonly by: Author;
  /** Milliseconds since 1970. */
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** The position before its `run_started`; null until then. */
  readonly position: string | null;
  /** What the agent has said so far; the whole once it has ended. */
  readonly text: string;
  readonly end: RunEnd | null;
  readonly usage: Usage | null;
  /** Its message went to a command of a plugin, not to the agent. */
  readonly command?: { readonly plugin: string; readonly name: string };
  /** Plugins were asked first: the agent has the message from `run_allowed` on. */
  readonly isAsked?: true;
  /** While it runs and its agent says nothing: what was told of that last. */
  readonly silence?: SilenceInfo;
}

export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly costUsd?: number;
}

export interface ToolCall {
  readonly id: string;
  readonly title: string;
  readonly kind: 'read' | 'edit' | 'delete' | 'move' | 'search' | 'execute' | 'think' | 'fetch' | 'other';
  readonly status: 'pending' | 'running' | 'done' | 'failed';
  /** As the agent gave it, cut to 64 KiB as JSON. */
  readonly input?: unknown;
  /** Text for people, cut to 64 KiB. */
  readonly output?: string;
  readonly diffs?: readonly { readonly path: string; readonly before: string | null; readonly after: string }[];
  /** The session that it runs in, which can be watched and steered. */
  readonly session?: string;
}

export interface ApprovalOption {
  readonly id: string;
  readonly label: string;
  readonly kind: 'allow_once' | 'allow_always' | 'deny_once' | 'deny_always';
}

export interface Approval {
  /** Unique in the conversation. */
  readonly id: string;
  readonly run: string;
  readonly title: string;
  /** The command, the file, the reason: text for people, at most 64 KiB. */
  readonly detail: string;
  /** It asks for more than can be shown: `detail` is its beginning, and it is denied. */
  readonly isCut?: true;
  readonly tool?: string;
  readonly options: readonly ApprovalOption[];
  readonly askedAt: number;
  /** Then it is denied. */
  readonly expiresAt: number;
}

export interface ApprovalAnswer {
  readonly option: string;
  readonly by: Author;
  /** `run_ended`: nobody answered, and there is nothing to answer any more. `vetoed`: a plugin did, see `why`. */
  readonly reason: 'answered' | 'timed_out' | 'run_ended' | 'vetoed';
  /** The plugin's words; at most 1000 characters. */
  readonly why?: string;
}

/** Entries of a conversation's log. `at`: ms since 1970. The order is the log's. */
export type ConversationEvent =
  | { readonly type: 'message'; readonly at: number; readonly message: MessageInfo }
  /** Of a message that waits. */
  | {
      readonly type: 'message_edited';
      readonly at: number;
      readonly id: string;
      readonly text: string;
      readonly by: Author;
    }
  | {
      readonly type: 'message_cancelled';
      readonly at: number;
      readonly id: string;
      readonly by: Author;
      /** Where a plugin did not allow it: its words. */
      readonly why?: string;
    }
  /** The agent has it. */
  | { readonly type: 'message_delivered'; readonly at: number; readonly id: string; readonly run: string }
  | { readonly type: 'run_started'; readonly at: number; readonly run: ConversationRun }
  /** Those who had to be asked let it through: the agent is given the message now. */
  | { readonly type: 'run_allowed'; readonly at: number; readonly run: string }
  /**
   * `text` goes behind what was said before (of that stream); with `replace` it takes its place. `said` is the answer,
   * `thought` is not part of it.
   */
  | {
      readonly type: 'delta';
      readonly at: number;
      readonly run: string;
      readonly stream: 'said' | 'thought';
      readonly text: string;
      readonly replace?: true;
    }
  /** A call began, or is another than it was: the whole of it each time. */
  | { readonly type: 'tool'; readonly at: number; readonly run: string; readonly tool: ToolCall }
  /** Other news of an agent, by name: `plan`, `mode`, `status`, `note`, `retry` (see `Retry`). */
  | { readonly type: 'agent'; readonly at: number; readonly run: string; readonly name: string; readonly data: unknown }
  /** Report by the gateway that nothing has come for a while. Not a word of the agent. */
  | ({ readonly type: 'silent'; readonly run: string } & SilenceInfo)
  | { readonly type: 'approval'; readonly at: number; readonly run: string; readonly approval: Approval }
  | {
      readonly type: 'approval_answered';
      readonly at: number;
      readonly run: string;
      readonly id: string;
      readonly answer: ApprovalAnswer;
    }
  /** Behind the last delta, always; `text` is the whole of what was said. */
  | {
      readonly type: 'final';
      readonly at: number;
      readonly run: string;
      readonly text: string;
      readonly stopReason?: string;
      readonly usage?: Usage;
    }
  | {
      readonly type: 'error';
      readonly at: number;
      readonly run: string;
      readonly text: string;
      readonly error: WireError;
    }
  | {
      readonly type: 'aborted';
      readonly at: number;
      readonly run: string;
      readonly text: string;
      readonly via: AbortVia;
      readonly by: Author;
    }
  /** Written by whoever holds the lease, see `POST …/notes`. Not for the agent. */
  | { readonly type: 'note'; readonly at: number; readonly text: string; readonly by: Author }
  | {
      readonly type: 'changed';
      readonly at: number;
      readonly by: Author;
      readonly title?: string;
      readonly visibility?: Visibility;
    };

export type EndEvent = Extract<ConversationEvent, { readonly type: 'final' | 'error' | 'aborted' }>;
export const isEndEvent = (event: ConversationEvent): event is EndEvent =>
  event.type === 'final' || event.type === 'error' || event.type === 'aborted';

export interface ConversationInfo {
  readonly key: ConversationKey;
  readonly agent: string;
  /** Its user; null of one that a channel began. */
  readonly owner: string | null;
  readonly visibility: Visibility;
  /** The first words of its first message, until somebody gives it another. */
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The position behind its last entry. */
  readonly position: string;
  readonly epoch: string;
  /** Under way now. Its `text` is what has been said so far: what a late joiner sees first. */
  readonly run: ConversationRun | null;
  /** Messages that wait for their turn, in order. */
  readonly queue: readonly MessageInfo[];
  /** Requests that wait for somebody's answer. */
  readonly approvals: readonly Approval[];
  readonly lease: LeaseInfo | null;
  /** The sum over its runs that have ended, as far as agents told; null where none did. */
  readonly usage: Usage | null;
  /** What its agent can do with a message while a run is under way. */
  readonly steer: readonly SteerMode[];
  /** True for who may send to it, by what it is; the scope `input` is needed as well. */
  readonly mine: boolean;
}

export interface ConversationList {
  readonly conversations: readonly ConversationInfo[];
  /** Pass as `?after=` for the next page; null on the last. */
  readonly next: string | null;
}

export interface CreateConversation {
  /** Default: the agent that messages without a binding go to. */
  readonly agent?: string;
  /**
   * With a name the key is `agent:<agent>:user:<user>:<name>`, and asking again gives the same conversation. Without: a
   * new one each time.
   */
  readonly name?: string;
  /** Any key, for the scope `admin`. Not together with `name`. */
  readonly key?: string;
  readonly title?: string;
  /** Default private. */
  readonly visibility?: Visibility;
}

/** The answer to a message. */
export interface SendReceipt {
  readonly message: MessageInfo;
  /** The run that it began or will begin; null where it went into another one, or was a stop text. */
  readonly run: ConversationRun | null;
  /** Had been sent before: nothing was done again. */
  readonly duplicate: boolean;
  /** It was a stop text: these runs and waiting messages were aborted, and nothing was sent to the agent. */
  readonly aborted?: readonly string[];
}

export interface AbortReceipt {
  /** Ids of the runs and of the waiting messages. Empty where there was nothing to abort. */
  readonly aborted: readonly string[];
}

/** Newest last. `before`: pass it back for what came before; null at the beginning. */
export interface MessagePage {
  readonly messages: readonly MessageInfo[];
  readonly before: string | null;
}

/** What a message can begin with, as `/name`, to go to a plugin instead of the agent. */
export interface CommandInfo {
  readonly name: string;
  readonly description: string;
  readonly plugin: string;
}

export interface AgentInfo {
  readonly id: string;
  readonly driver: string;
  /** Where messages without a binding go. */
  readonly isDefault: boolean;
  readonly steer: readonly SteerMode[];
  readonly approvals: boolean;
}
