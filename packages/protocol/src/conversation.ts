// Conversations in the API: a key, messages and runs, as a log of JSON events.

import type { WireError } from './codes.ts';
import type { LeaseInfo } from './session.ts';
import type { SilenceInfo } from './silence.ts';

declare const brand: unique symbol;
/** Key of a conversation: `agent:<agent>:<rest>`, at most 512 characters, none of them a control character. */
export type ConversationKey = string & { readonly [brand]: 'ConversationKey' };

/** The agent is a slug, see routing; the rest is not empty and does not begin with a colon. */
const KEY = /^agent:[a-z0-9][a-z0-9_-]{0,63}:[^:\p{Cc}\p{Cs}][^\p{Cc}\p{Cs}]*$/u;
/** Returns whether a text is a key of a conversation. */
export const isConversationKey = (text: string): text is ConversationKey => text.length <= 512 && KEY.test(text);

/**
 * Audience of a conversation besides its owner and the scope `admin`: nobody, the users of a list, or every token of
 * the gateway.
 */
export type Visibility =
  | { readonly kind: 'private' }
  | { readonly kind: 'shared'; readonly with: readonly string[] }
  /** Every token of this gateway. */
  | { readonly kind: 'everyone' };

/**
 * Fate of a message that is sent during a run: it waits for its turn (`queue`, which every agent supports), is
 * injected into the current turn (`inject`), or ends the turn and is next (`interrupt`).
 */
export type SteerMode = 'queue' | 'inject' | 'interrupt';

/** Author of a message, an answer or a change. */
export interface Author {
  /** The user; null for a channel and for the gateway itself. */
  readonly user: string | null;
  /** Name for people: that of the token, or of the sender on a channel. */
  readonly name: string;
}

/** `queued`: accepted and stored. `delivered`: the agent has it. `cancelled`: cancelled, or aborted while it waited. */
export type MessageState = 'queued' | 'delivered' | 'cancelled';

/** Request to send a message. */
export interface SendMessage {
  /**
   * Id that the client chooses: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. Sent twice, the message acts
   * once. Default: an id of the gateway.
   */
  readonly id?: string;
  /** Not empty, at most `maxMessageBytes` of the gateway (256 KiB) as UTF-8. */
  readonly text: string;
  /** Default `queue`. A mode that the agent does not support becomes `queue`, and the receipt says so. */
  readonly steer?: SteerMode;
  /** Milliseconds from the start of the run until it is aborted. Default: the agent's. */
  readonly timeoutMs?: number;
}

/** A message of a user, or an answer of the agent. */
export interface MessageInfo {
  /** Id of the message. */
  readonly id: string;
  /** `assistant` is the agent. */
  readonly role: 'user' | 'assistant';
  /** The text. */
  readonly text: string;
  /** Author of the message. */
  readonly by: Author;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** State of the message; an answer is always `delivered`. */
  readonly state: MessageState;
  /** Mode that was applied, which may differ from the request. */
  readonly steer: SteerMode;
  /**
   * Run that the message began or was injected into, or whose answer it is. Null while it waits and when it was
   * cancelled.
   */
  readonly run: string | null;
  /** Milliseconds from the start of its run until the run is aborted. Absent: the agent's default. */
  readonly timeoutMs?: number;
  /** How its run ended, for an answer. */
  readonly ended?: RunEnd['state'];
  /** Tokens and cost of its run, for an answer, if the agent reported them. */
  readonly usage?: Usage;
}

/** State of a run. `final`, `error` and `aborted` are its ends. */
export type ConversationRunState = 'queued' | 'running' | 'final' | 'error' | 'aborted';

/**
 * Cause of an abort: a request for the run or for the conversation, a stop text, its time limit, the shutdown of the
 * gateway, an interrupting message, or the deletion of the conversation.
 */
export type AbortVia = 'run' | 'conversation' | 'stop_text' | 'timeout' | 'shutdown' | 'interrupt' | 'deleted';

/** End of a run: `final`, `error` (a code of `CODES`; `agent_failed` carries the agent's own words) or `aborted`. */
export type RunEnd =
  | { readonly state: 'final'; readonly stopReason?: string }
  /** `error.code`: one of the table, or `agent_failed` with the agent's own words. */
  | { readonly state: 'error'; readonly error: WireError }
  | { readonly state: 'aborted'; readonly via: AbortVia; readonly by: Author };

/** One turn of an agent. Its id is that of the message that began it. */
export interface ConversationRun {
  /** Id of the run and of its message. */
  readonly id: string;
  /** Key of the conversation. */
  readonly conversation: ConversationKey;
  /** Id of the agent. */
  readonly agent: string;
  /** State of the run. */
  readonly state: ConversationRunState;
  /** Author of the message. */
  readonly by: Author;
  /** Unix time in milliseconds. */
  readonly queuedAt: number;
  /** Unix time in milliseconds; null before the start. */
  readonly startedAt: number | null;
  /** Unix time in milliseconds; null before the end. */
  readonly endedAt: number | null;
  /** Position before its `run_started`; null before the start. */
  readonly position: string | null;
  /** Text that the agent has said so far; complete at the end. */
  readonly text: string;
  /** How it ended; null before the end. */
  readonly end: RunEnd | null;
  /** Tokens and cost; null if the agent reported none. */
  readonly usage: Usage | null;
  /** Command of a plugin that got the message instead of the agent. */
  readonly command?: { readonly plugin: string; readonly name: string };
  /** Plugins decide first: the agent gets the message with `run_allowed`. */
  readonly isAsked?: true;
  /** The last report that nothing comes, while the run is silent. */
  readonly silence?: SilenceInfo;
}

/** Tokens and cost, as far as the agent reported them. */
export interface Usage {
  /** Tokens that the model read. */
  readonly inputTokens?: number;
  /** Tokens that the model wrote. */
  readonly outputTokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
}

/** A tool call of an agent. */
export interface ToolCall {
  /** Id of the call, the same in all of its events. */
  readonly id: string;
  /** Text for people. */
  readonly title: string;
  /** Effect of the tool. */
  readonly kind: 'read' | 'edit' | 'delete' | 'move' | 'search' | 'execute' | 'think' | 'fetch' | 'other';
  /** State of the call. */
  readonly status: 'pending' | 'running' | 'done' | 'failed';
  /** Arguments as the agent gave them, cut to 64 KiB of JSON. */
  readonly input?: unknown;
  /** Text for people, cut to 64 KiB. */
  readonly output?: string;
  /** Changes of files. `before` is null for a new file. */
  readonly diffs?: readonly { readonly path: string; readonly before: string | null; readonly after: string }[];
  /** Id of the session that it runs in, which can be followed and steered. */
  readonly session?: string;
}

/** One way to answer a request for approval. */
export interface ApprovalOption {
  /** Id, for `Conversation.answer`. */
  readonly id: string;
  /** The agent's words. Show them with `optionLabel`. */
  readonly label: string;
  /** Effect of the option. */
  readonly kind: 'allow_once' | 'allow_always' | 'deny_once' | 'deny_always';
}

/** An agent's request for approval. */
export interface Approval {
  /** Id, unique in the conversation. */
  readonly id: string;
  /** Id of the run. */
  readonly run: string;
  /** Text for people. */
  readonly title: string;
  /** The command, the file, the reason: text for people, at most 64 KiB. */
  readonly detail: string;
  /** The request is larger than what can be shown: `detail` is its beginning, and it is denied. */
  readonly isCut?: true;
  /** Id of the tool call that waits for it. */
  readonly tool?: string;
  /** The possible answers. */
  readonly options: readonly ApprovalOption[];
  /** Unix time in milliseconds. */
  readonly askedAt: number;
  /** Unix time in milliseconds at which the request is denied. */
  readonly expiresAt: number;
}

/** Answer to a request for approval. */
export interface ApprovalAnswer {
  /** Id of the option. */
  readonly option: string;
  /** Author of the answer. */
  readonly by: Author;
  /**
   * `timed_out`: denied at `expiresAt`. `run_ended`: the run ended without an answer. `vetoed`: a plugin denied it, see
   * `why`.
   */
  readonly reason: 'answered' | 'timed_out' | 'run_ended' | 'vetoed';
  /** The plugin's reason, at most 1000 characters. */
  readonly why?: string;
}

/** An entry of a conversation's log. `at` is a Unix time in milliseconds. The order is that of the log. */
export type ConversationEvent =
  | { readonly type: 'message'; readonly at: number; readonly message: MessageInfo }
  /** A waiting message has another text. */
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
      /** Reason of the plugin that denied it. */
      readonly why?: string;
    }
  /** The agent has the message. */
  | { readonly type: 'message_delivered'; readonly at: number; readonly id: string; readonly run: string }
  | { readonly type: 'run_started'; readonly at: number; readonly run: ConversationRun }
  /** The plugins that decide allowed it: the agent gets the message now. */
  | { readonly type: 'run_allowed'; readonly at: number; readonly run: string }
  /**
   * `text` continues the stream; with `replace` it replaces all of it. `said` is the answer, `thought` is not part of
   * it.
   */
  | {
      readonly type: 'delta';
      readonly at: number;
      readonly run: string;
      readonly stream: 'said' | 'thought';
      readonly text: string;
      readonly replace?: true;
    }
  /** A call began or changed; each event carries the whole call. */
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
  /** Always behind the last delta; `text` is the whole answer. */
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
  /** A line that the agent does not see, see `POST …/notes`. */
  | { readonly type: 'note'; readonly at: number; readonly text: string; readonly by: Author }
  | {
      readonly type: 'changed';
      readonly at: number;
      readonly by: Author;
      readonly title?: string;
      readonly visibility?: Visibility;
    };

/** The event that ends a run. */
export type EndEvent = Extract<ConversationEvent, { readonly type: 'final' | 'error' | 'aborted' }>;
/** Returns whether an event ends its run. */
export const isEndEvent = (event: ConversationEvent): event is EndEvent =>
  event.type === 'final' || event.type === 'error' || event.type === 'aborted';

/** State of a conversation. */
export interface ConversationInfo {
  /** Key of the conversation. */
  readonly key: ConversationKey;
  /** Id of the agent. */
  readonly agent: string;
  /** User who owns it; null for one that a channel began. */
  readonly owner: string | null;
  /** Users who may see it. */
  readonly visibility: Visibility;
  /** The first words of its first message, unless it was given a title. */
  readonly title: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Unix time in milliseconds. */
  readonly updatedAt: number;
  /** Position behind its last entry. */
  readonly position: string;
  /** Epoch of its log. */
  readonly epoch: string;
  /** The current run; its `text` is what has been said so far. Null if there is none. */
  readonly run: ConversationRun | null;
  /** Waiting messages, in order. */
  readonly queue: readonly MessageInfo[];
  /** Pending requests for approval. */
  readonly approvals: readonly Approval[];
  /** Holder of the write lease; null if it is free. */
  readonly lease: LeaseInfo | null;
  /** Sum over the runs that have ended, as far as agents reported it; null if none did. */
  readonly usage: Usage | null;
  /** Modes that its agent supports for a message during a run. */
  readonly steer: readonly SteerMode[];
  /** Whether this user may send to it. The scope `input` is needed as well. */
  readonly mine: boolean;
}

/** A page of conversations. */
export interface ConversationList {
  /** The conversations, the last changed first. */
  readonly conversations: readonly ConversationInfo[];
  /** The `after` of the next page; null on the last page. */
  readonly next: string | null;
}

/** Request to create a conversation. */
export interface CreateConversation {
  /** Id of an agent. Default: the agent that gets messages without a binding. */
  readonly agent?: string;
  /**
   * With a name the key is `agent:<agent>:user:<user>:<name>`, and a second request returns the same conversation.
   * Without one, each request creates a conversation.
   */
  readonly name?: string;
  /** Any key, for the scope `admin`. Not together with `name`. */
  readonly key?: string;
  /** Title. Default: the first words of the first message. */
  readonly title?: string;
  /** Default `private`. */
  readonly visibility?: Visibility;
}

/** Answer to a message. */
export interface SendReceipt {
  /** The message as it is stored. */
  readonly message: MessageInfo;
  /** The run that it began or will begin; null if it went into another run or was a stop text. */
  readonly run: ConversationRun | null;
  /** Whether it had been sent before. Nothing was done again. */
  readonly duplicate: boolean;
  /** Ids of what a stop text aborted: runs and waiting messages. The agent did not get the text. */
  readonly aborted?: readonly string[];
}

/** Answer to an abort. */
export interface AbortReceipt {
  /** Ids of the aborted runs and waiting messages. Empty if there was nothing to abort. */
  readonly aborted: readonly string[];
}

/** A page of messages. */
export interface MessagePage {
  /** Newest last. */
  readonly messages: readonly MessageInfo[];
  /** The `before` of the page in front of this one; null at the beginning. */
  readonly before: string | null;
}

/** A command of a plugin. A message that begins with `/name` goes to the plugin instead of the agent. */
export interface CommandInfo {
  /** Name without the slash. */
  readonly name: string;
  /** Text for people. */
  readonly description: string;
  /** Id of the plugin. */
  readonly plugin: string;
}

/** An agent that the gateway offers. */
export interface AgentInfo {
  /** Id, for `CreateConversation.agent`. */
  readonly id: string;
  /** Driver that connects it. */
  readonly driver: string;
  /** Whether it gets messages without a binding. */
  readonly isDefault: boolean;
  /** Modes that it supports for a message during a run. */
  readonly steer: readonly SteerMode[];
  /** Whether it requests approvals. */
  readonly approvals: boolean;
}
