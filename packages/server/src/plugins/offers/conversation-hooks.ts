// Plugins in conversations: the hooks around runs, tool calls and messages from channels, and the commands. The parts
// of conversations/ that use these declare the interfaces that they need.

import { BinnacleError, type ConversationEvent, isEndEvent } from '@binnacle/protocol';
import { unlessAborted } from '../../base/abort.ts';
import type { AgentGuard, AgentRunRequest, ToolCallRequest } from '../../conversations/agents/agent-hooks.ts';
import type { ChatCommand, ChatCommands } from '../../conversations/agents/chat-command.ts';
import type { Conversation } from '../../conversations/conversation.ts';
import type { ConversationListener } from '../../conversations/conversations.ts';
import type { InboundGuard, InboundRequest } from '../../conversations/inbound.ts';
import type { BeforeHook, Hooks } from './hooks.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

const COMMAND_MS = 60_000;
const MAX_COMMAND_ANSWER = 64 * 1024;
/** Maximum bytes, as JSON, of an answer: together with the question it must fit into a frame. */
const MAX_ANSWER = 256 * 1024;
/** Maximum tool calls per run whose ends were reported, for deduplication: an agent may report an end again. */
const MAX_REPORTED = 1000;

/** The hooks that may veto. Until all plugins have been started once, every call waits. */
export class ConversationGuard implements AgentGuard, InboundGuard {
  readonly #hooks: Hooks;
  readonly #opened: Promise<void>;
  #open: () => void = () => undefined;
  #isOpen = false;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  get ready(): Promise<void> | undefined {
    return this.#isOpen ? undefined : this.#opened;
  }

  /** Releases the waiting calls: every plugin is ready or has failed. */
  open(): void {
    this.#isOpen = true;
    this.#open();
  }

  beforeRun(event: AgentRunRequest): Promise<void> | undefined {
    return this.#ask('beforeRun', event);
  }

  beforeToolCall(event: ToolCallRequest): Promise<void> | undefined {
    return this.#ask('beforeToolCall', event);
  }

  before(event: InboundRequest): Promise<void> | undefined {
    return this.#ask('beforeInbound', event);
  }

  after(event: InboundRequest & { readonly conversation: string; readonly run: string | null }): void {
    if (this.#hooks.has('afterInbound')) this.#hooks.notify('afterInbound', event);
  }

  #ask(on: BeforeHook, event: object): Promise<void> | undefined {
    if (!this.#hooks.has(on)) return undefined;
    return this.#isOpen ? this.#hooks.request(on, event) : this.#opened.then(() => this.#hooks.request(on, event));
  }
}

/** The hooks that are notified afterwards. */
export class ConversationNews implements ConversationListener {
  readonly #hooks: Hooks;
  /** Ids of reported tool calls, by conversation. */
  readonly #reported = new Map<string, Set<string>>();

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  changed(conversation: Conversation, events: readonly ConversationEvent[]): void {
    for (const event of events) {
      if (event.type === 'approval') this.#agentWaits(conversation, event);
      else if (isEndEvent(event)) this.#afterRun(conversation, event);
    }
  }

  happened(conversation: Conversation, events: readonly ConversationEvent[]): void {
    for (const event of events) if (event.type === 'tool') this.#afterToolCall(conversation, event);
  }

  deleted(conversation: Conversation): void {
    this.#reported.delete(conversation.record.id);
  }

  #agentWaits(conversation: Conversation, event: Extract<ConversationEvent, { type: 'approval' }>): void {
    const { title, detail, options, isCut } = event.approval;
    // The request is denied at once, and waits for nobody.
    if (isCut === true || !this.#hooks.has('agentWaits')) return;
    this.#hooks.notify('agentWaits', {
      conversation: conversation.record.key,
      run: event.run,
      title,
      detail,
      options: options.map(({ id, label }) => ({ id, label })),
    });
  }

  #afterRun(conversation: Conversation, event: Extract<ConversationEvent, { type: 'final' | 'error' | 'aborted' }>) {
    this.#reported.delete(conversation.record.id);
    if (!this.#hooks.has('afterRun')) return;
    const { command, by } = conversation.findRun(event.run);
    // A run of a command is not a run of an agent.
    if (command !== undefined) return;
    this.#hooks.notify('afterRun', {
      conversation: conversation.record.key,
      run: event.run,
      agent: conversation.record.agent,
      text: conversation.message(event.run).text,
      by: by.name,
      state: event.type,
      answer: cutAsJson(event.text, MAX_ANSWER),
      ...(event.type === 'error' ? { error: event.error.message } : {}),
    });
  }

  #afterToolCall(conversation: Conversation, event: Extract<ConversationEvent, { type: 'tool' }>): void {
    const { id, title, status, input = null, output = '' } = event.tool;
    if ((status !== 'done' && status !== 'failed') || !this.#hooks.has('afterToolCall')) return;
    const reported = this.#reported.get(conversation.record.id) ?? new Set<string>();
    if (reported.has(id) || reported.size >= MAX_REPORTED) return;
    this.#reported.set(conversation.record.id, reported.add(id));
    const caller = conversation.record.agent;
    this.#hooks.notify('afterToolCall', {
      ...{ tool: title, input, caller, via: 'driver' },
      isError: status === 'failed',
      output,
    });
  }
}

/** Returns the commands in force, in the order of the plugins' ids. */
export const commandsOf =
  (offers: Offers): ChatCommands =>
  () =>
    offers.inForce('command').map(commandOf);

function commandOf(offered: OfferInForce<OfferOf<'command'>>): ChatCommand {
  const { plugin, offer } = offered;
  const { name, description } = offer;
  return {
    plugin,
    name,
    description,
    async run(call, signal) {
      const answer = await unlessAborted(offered.invoke(call, COMMAND_MS), signal);
      if (typeof answer === 'string' && Buffer.byteLength(answer) <= MAX_COMMAND_ANSWER) return answer;
      const message = `What the plugin "${plugin}" answers to /${name} is no text of at most 64 KiB.`;
      offered.note(message);
      throw new BinnacleError('plugin_failed', {
        message,
        hint: `binnacle plugin logs ${plugin} shows its output.`,
        details: { plugin, limitBytes: MAX_COMMAND_ANSWER },
      });
    },
  };
}

/** Returns the beginning of a text, with at most `max` bytes as JSON. */
function cutAsJson(text: string, max: number): string {
  let shortened = text;
  while (Buffer.byteLength(JSON.stringify(shortened)) > max)
    shortened = shortened.slice(0, Math.floor(shortened.length * 0.8));
  return shortened.toWellFormed();
}
