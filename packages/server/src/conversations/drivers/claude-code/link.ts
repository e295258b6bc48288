// The link to one `claude -p` process, as a fold over its lines.

import { createHash } from 'node:crypto';
import { BinnacleError, type Retry, type ToolCall, type Usage } from '@binnacle/protocol';
import { readAgentJson } from '../agent-json.ts';
import type { AgentLink, ProcessOut, Prompt, TurnEnd } from '../driver.ts';
import { oneMoreRefused } from '../refusal.ts';
import { cutText } from '../tool-text.ts';
import {
  ApiRetry,
  AssistantLine,
  Blocks,
  CanUseTool,
  ClaudeCancelRequest,
  ClaudeLine,
  ClaudeResult,
  ClaudeToolUse,
  ControlRequest,
  ControlResponse,
  StreamEvent,
  TextBlock,
  ToolResult,
  UserLine,
} from './messages.ts';
import { callOf, permissionOf, planOf, resultText } from './tools.ts';

/**
 * Maximum invalid lines. Programs print warnings on stdout; more of them mean that the program does not speak the
 * protocol.
 */
const MAX_RUBBISH = 20;
const MAX_ERROR_CHARS = 500;
/**
 * Maximum stored calls without a result, and maximum length of a stored input. A larger input is reported, but not
 * repeated with the result.
 */
const MAX_OPEN = 16;
const MAX_STORED_INPUT = 1500;
/** Maximum requests that wait for an answer. */
const MAX_APPROVALS = 16;
/**
 * Maximum bytes of all waiting requests as JSON. The input of a call is stored, because the approval must return it.
 */
const MAX_APPROVAL_BYTES = 256 * 1024;
/** Maximum messages injected into one turn. */
const MAX_STEERS = 64;

interface PendingApproval {
  readonly request: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly suggestions: readonly object[];
  /** Bytes of input and suggestions as JSON. */
  readonly bytes: number;
}

interface ClaudeTurn {
  readonly isCancelling: boolean;
  /**
   * Injected messages that the process has not replayed yet. The replay confirms that a message is part of the turn.
   */
  readonly steers: readonly { readonly message: string; readonly uuid: string }[];
  /** True if the next text begins a new paragraph. */
  readonly isBroken: boolean;
  /** Length, in UTF-16 units, of the part of the current block that deltas have reported. */
  readonly chars: number;
  readonly hasSaid: boolean;
  readonly hasThought: boolean;
  readonly usage: Usage;
  readonly costBefore: number;
}

/** The state of the link. Immutable: each change makes a new object. */
export interface ClaudeCodeState {
  readonly session: string | null;
  /** True if the process does not know the session with which it should continue. */
  readonly isForgotten: boolean;
  readonly turn: ClaudeTurn | null;
  readonly open: readonly ToolCall[];
  readonly asked: readonly PendingApproval[];
  /** Number of the next control request. */
  readonly nextId: number;
  /** Requests that withdraw an injected message which has not been read yet. */
  readonly takingBack: readonly { readonly request: string; readonly message: string }[];
  /** Cost of the process in USD. */
  readonly cost: number;
  /** Requests of this turn that were refused without asking a person. */
  readonly refused: number;
  readonly rubbish: number;
}

const FRESH_CLAUDE_STATE: ClaudeCodeState = {
  session: null,
  isForgotten: false,
  turn: null,
  open: [],
  asked: [],
  nextId: 1,
  takingBack: [],
  cost: 0,
  refused: 0,
  rubbish: 0,
};

export class ClaudeCodeLink implements AgentLink {
  readonly #out: ProcessOut;
  #state: ClaudeCodeState;

  constructor(out: ProcessOut, parts: { readonly state: object | undefined }) {
    this.#out = out;
    // The state comes from an earlier link. A state of an older version lacks newer fields.
    this.#state = { ...FRESH_CLAUDE_STATE, ...parts.state };
  }

  get state(): ClaudeCodeState {
    return this.#state;
  }

  get isStarting(): boolean {
    return this.#state.session === null;
  }

  prompt({ id, text }: Prompt): void {
    const turn: ClaudeTurn = {
      isCancelling: false,
      steers: [],
      isBroken: false,
      chars: 0,
      hasSaid: false,
      hasThought: false,
      usage: {},
      costBefore: this.#state.cost,
    };
    this.#set({ turn, open: [], asked: [], takingBack: [], refused: 0 });
    this.#say(uuidOf(id), text);
  }

  inject({ id, text }: Prompt): void {
    const { turn } = this.#state;
    // Further messages stay undelivered.
    if (turn === null || turn.isCancelling || turn.steers.length >= MAX_STEERS) return;
    const uuid = uuidOf(id);
    this.#setTurn({ steers: [...turn.steers, { message: id, uuid }] });
    this.#say(uuid, text);
  }

  interrupt(): void {
    const { turn } = this.#state;
    if (turn === null || turn.isCancelling) return;
    this.#setTurn({ isCancelling: true });
    // Otherwise the process would begin a turn of its own for each of these messages.
    for (const { message, uuid } of turn.steers) {
      const request = this.#control({ subtype: 'cancel_async_message', message_uuid: uuid });
      this.#set({ takingBack: [...this.#state.takingBack, { request, message }] });
    }
    this.#control({ subtype: 'interrupt' });
  }

  answer(approval: string, option: string): void {
    const pending = this.#state.asked.find(({ request }) => request === approval);
    if (pending === undefined) return;
    this.#set({ asked: this.#state.asked.filter((one) => one !== pending) });
    const index = /^allow-(\d)$/.exec(option)?.[1];
    const suggestion = index === undefined ? undefined : pending.suggestions[Number(index)];
    if (option === 'allow') this.#reply(approval, { behavior: 'allow', updatedInput: pending.input });
    else if (suggestion !== undefined) {
      this.#reply(approval, { behavior: 'allow', updatedInput: pending.input, updatedPermissions: [suggestion] });
    } else this.#reply(approval, { behavior: 'deny', message: 'It was not allowed.' });
  }

  line(text: string): void {
    const json = readAgentJson(text);
    const line = ClaudeLine.safeParse(json?.value);
    if (!line.success) this.#rubbish(text);
    else this.#lineReceived(line.data, json?.isWhole === true);
  }

  exited({ stderr }: { readonly stderr: string }): void {
    if (this.#state.turn !== null && isForgotten(stderr)) this.#forgotten(stderr);
  }

  // ---- Output of the process

  /** Handles a line. `isWhole`: nothing in it was nested too deeply. */
  #lineReceived(line: ClaudeLine, isWhole: boolean): void {
    const isSub = line.parent_tool_use_id !== undefined;
    switch (line.type) {
      case 'system':
        this.#system(line);
        return;
      case 'stream_event':
        if (!isSub) this.#streamed(line);
        return;
      case 'assistant':
        this.#assistant(line, isSub);
        return;
      case 'user':
        this.#user(line);
        return;
      case 'result':
        this.#result(line);
        return;
      case 'control_request':
        this.#requested(line, isWhole);
        return;
      case 'control_cancel_request':
        this.#withdrawn(line);
        return;
      case 'control_response':
        this.#answered(line);
        return;
      default:
        // A line type of a later version.
        return;
    }
  }

  #system(line: ClaudeLine): void {
    const { subtype, session_id, status } = line;
    if (subtype === 'init' && session_id !== undefined) this.#set({ session: session_id });
    else if (subtype === 'compact_boundary') this.#out.agent('status', { compaction: 'completed' });
    else if (subtype === 'status' && status === 'compacting') this.#out.agent('status', { compaction: 'in_progress' });
    else if (subtype === 'api_retry') this.#retries(line);
  }

  #retries(line: ClaudeLine): void {
    const read = ApiRetry.safeParse(line);
    if (!read.success) return;
    const { attempt, max_retries: of, retry_delay_ms: delayMs, error, error_status } = read.data;
    const why = error === undefined ? undefined : cutText(error.replaceAll('_', ' '), 100);
    const reason = why ?? (error_status === undefined ? undefined : `HTTP ${error_status}`);
    const retry: Retry = {
      attempt,
      ...(of === undefined ? {} : { of }),
      ...(reason === undefined ? {} : { why: reason }),
      ...(delayMs === undefined ? {} : { delayMs: Math.round(delayMs) }),
    };
    this.#out.agent('retry', retry);
  }

  #streamed(line: ClaudeLine): void {
    const read = StreamEvent.safeParse(line);
    if (!read.success || this.#state.turn === null) return;
    const { type, content_block, delta } = read.data.event;
    if (type === 'message_start') this.#setTurn({ isBroken: true });
    else if (type === 'content_block_start') {
      this.#setTurn({ chars: 0, ...(content_block?.type === 'text' ? {} : { isBroken: true }) });
    } else if (type === 'content_block_delta') {
      if (delta?.text !== undefined) this.#appendText(delta.text);
      if (delta?.thinking !== undefined) this.#thought(delta.thinking);
    }
  }

  #appendText(text: string): void {
    const { turn } = this.#state;
    if (turn === null || text === '') return;
    if (turn.isBroken) this.#out.paragraph();
    this.#out.delta(text);
    this.#setTurn({ isBroken: false, hasSaid: true, chars: turn.chars + text.length });
  }

  #thought(text: string): void {
    const { turn } = this.#state;
    if (turn === null || text === '') return;
    this.#out.delta(turn.isBroken && turn.hasThought ? `\n\n${text}` : text, 'thought');
    // The next text is a new paragraph all the same, because a text block begins before it.
    this.#setTurn({ isBroken: turn.hasSaid, hasThought: true });
  }

  /** Handles a complete block. Deltas have reported its text, unless this version does not stream. */
  #assistant(line: ClaudeLine, isSub: boolean): void {
    const read = AssistantLine.safeParse(line);
    const { turn } = this.#state;
    if (!read.success || turn === null) return;
    const { model, content = [] } = read.data.message;
    for (const block of content) {
      if (block.type === 'tool_use') this.#toolUse(block);
      // Text of the program itself, which its result repeats.
      else if (block.type === 'text' && !isSub && model !== '<synthetic>') {
        const text = TextBlock.safeParse(block);
        const known = this.#state.turn?.chars ?? 0;
        if (text.success && text.data.text.length > known) this.#appendText(text.data.text.slice(known));
      }
    }
  }

  #toolUse(block: unknown): void {
    const read = ClaudeToolUse.safeParse(block);
    if (!read.success) return;
    const { id, name, input } = read.data;
    const call = callOf(id, name, input);
    const plan = planOf(name, input);
    if (plan !== undefined) this.#out.agent('plan', plan);
    this.#out.tool(call);
    const { input: callInput, diffs, ...rest } = call;
    const isSmall = JSON.stringify([callInput, diffs]).length <= MAX_STORED_INPUT;
    const short = { ...rest, title: cutText(rest.title, MAX_STORED_INPUT) };
    const stored: ToolCall = isSmall ? { ...call, title: short.title } : short;
    this.#set({ open: [...this.#state.open.filter((one) => one.id !== id), stored].slice(-MAX_OPEN) });
  }

  #user(line: ClaudeLine): void {
    const read = UserLine.safeParse(line);
    const { turn } = this.#state;
    if (!read.success || turn === null) return;
    const { message, uuid, isReplay } = read.data;
    if (isReplay === true) {
      const steer = turn.steers.find((one) => one.uuid === uuid);
      if (steer === undefined) return;
      this.#setTurn({ steers: turn.steers.filter((one) => one !== steer) });
      this.#out.delivered(steer.message);
      return;
    }
    const blocks = Blocks.safeParse(message.content);
    for (const block of blocks.success ? blocks.data : []) {
      if (block.type === 'tool_result') this.#toolResult(block);
    }
  }

  #toolResult(block: unknown): void {
    const read = ToolResult.safeParse(block);
    if (!read.success) return;
    const { tool_use_id: id, content, is_error } = read.data;
    const call = this.#state.open.find((one) => one.id === id);
    if (call === undefined) return;
    this.#set({ open: this.#state.open.filter((one) => one !== call) });
    const output = resultText(content);
    this.#out.tool({ ...call, status: is_error === true ? 'failed' : 'done', ...(output === '' ? {} : { output }) });
  }

  #result(line: ClaudeLine): void {
    const read = ClaudeResult.safeParse(line);
    const { turn } = this.#state;
    if (!read.success) throw new BinnacleError('agent_protocol', { message: 'Claude Code ended a turn in a new way.' });
    const { is_error, result, errors, stop_reason, total_cost_usd } = read.data;
    if (total_cost_usd !== undefined) this.#set({ cost: total_cost_usd });
    // The result of a turn that the process began on its own.
    if (turn === null) return;
    const usage = added(turn, read.data, this.#state.cost);
    this.#setTurn({ usage });
    this.#out.usage(usage);
    // The process continues with the injected messages.
    if (turn.steers.length > 0) return;
    if (turn.isCancelling) this.#end({ kind: 'cancelled' });
    else if (is_error === true) {
      const message = result ?? errors?.join('\n') ?? `Claude Code ended the turn with ${line.subtype ?? 'an error'}.`;
      if (isForgotten(message)) this.#forgotten(message);
      else this.#end(failureOf(message));
    } else {
      // Built-in commands (`/cost`) are answered without a model.
      if (!turn.hasSaid && result !== undefined) this.#appendText(result);
      this.#end({ kind: 'done', ...(stop_reason === undefined ? {} : { stopReason: stop_reason }) });
    }
  }

  /** Handles a lost session. The next process must not try to resume it. */
  #forgotten(message: string): void {
    this.#set({ isForgotten: true });
    const hint = 'Send the message again; Claude Code starts without the earlier messages.';
    this.#end({ kind: 'failed', message: cutText(message, MAX_ERROR_CHARS), hint });
  }

  // ---- Requests of the process

  #requested(line: ClaudeLine, isWhole: boolean): void {
    const read = ControlRequest.safeParse(line);
    if (!read.success) return;
    const { request_id, request } = read.data;
    const parsed = request.subtype === 'can_use_tool' ? CanUseTool.safeParse(request) : undefined;
    if (parsed === undefined || !parsed.success) {
      const error = `${cutText(request.subtype, 100)} is not supported here`;
      this.#refuse({ type: 'control_response', response: { subtype: 'error', request_id, error } });
      return;
    }
    const { turn, asked: waiting } = this.#state;
    const { input, tool_use_id } = parsed.data;
    const { title, detail, options, suggestions } = permissionOf(parsed.data);
    const bytes = Buffer.byteLength(JSON.stringify([input, suggestions]));
    const others = waiting.filter((one) => one.request !== request_id);
    // A person cannot approve what the person cannot see.
    const isTooLarge = !isWhole || bytes > MAX_APPROVAL_BYTES;
    const isTooMuch =
      others.length >= MAX_APPROVALS || others.reduce((sum, one) => sum + one.bytes, bytes) > MAX_APPROVAL_BYTES;
    // No person can decide about this request.
    if (turn === null || turn.isCancelling || isTooLarge || isTooMuch) {
      const message = isTooLarge
        ? 'The request is too large to be shown to a person. Split it into parts.'
        : 'No person can be asked.';
      this.#refuse(controlled(request_id, { behavior: 'deny', message }));
      return;
    }
    this.#set({ asked: [...others, { request: request_id, input, suggestions, bytes }] });
    const tool = tool_use_id === undefined ? {} : { tool: tool_use_id };
    this.#out.approval({ id: request_id, title, detail, ...tool, options });
  }

  #withdrawn(line: ClaudeLine): void {
    const read = ClaudeCancelRequest.safeParse(line);
    const pending = this.#state.asked.find(({ request }) => read.success && request === read.data.request_id);
    if (pending === undefined) return;
    this.#set({ asked: this.#state.asked.filter((one) => one !== pending) });
    this.#out.withdraw(pending.request);
  }

  /**
   * Handles the answer to a request of the link. The process also repeats the link's own answers, which have other ids.
   */
  #answered(line: ClaudeLine): void {
    const read = ControlResponse.safeParse(line);
    if (!read.success) return;
    const { request_id, response } = read.data.response;
    const back = this.#state.takingBack.find(({ request }) => request === request_id);
    if (back === undefined) return;
    this.#set({ takingBack: this.#state.takingBack.filter((one) => one !== back) });
    const { turn } = this.#state;
    if (turn === null || response?.cancelled !== true) return;
    this.#setTurn({ steers: turn.steers.filter(({ message }) => message !== back.message) });
  }

  // ---- Common parts

  #say(uuid: string, text: string): void {
    const message = { role: 'user', content: [{ type: 'text', text }] };
    this.#send({ type: 'user', message, parent_tool_use_id: null, session_id: this.#state.session ?? '', uuid });
  }

  #control(request: object): string {
    const id = `binnacle-${this.#state.nextId}`;
    this.#set({ nextId: this.#state.nextId + 1 });
    this.#send({ type: 'control_request', request_id: id, request });
    return id;
  }

  #reply(request: string, response: object): void {
    this.#send(controlled(request, response));
  }

  #refuse(answer: object): void {
    this.#set({ refused: oneMoreRefused(this.#state.refused) });
    this.#send(answer);
  }

  #end(end: TurnEnd): void {
    this.#set({ turn: null, open: [], asked: [], takingBack: [] });
    this.#out.ended(end);
  }

  #rubbish(line: string): void {
    if (line.trim() === '') return;
    const rubbish = this.#state.rubbish + 1;
    this.#set({ rubbish });
    if (rubbish <= MAX_RUBBISH) return;
    throw new BinnacleError('agent_protocol', {
      message: `Claude Code does not speak its protocol: ${JSON.stringify(cutText(line, 100))}`,
    });
  }

  #setTurn(change: Partial<ClaudeTurn>): void {
    const { turn } = this.#state;
    if (turn !== null) this.#set({ turn: { ...turn, ...change } });
  }

  #set(change: Partial<ClaudeCodeState>): void {
    this.#state = { ...this.#state, ...change };
  }

  #send(message: object): void {
    this.#out.send(JSON.stringify(message));
  }
}

const controlled = (request_id: string, response: object): object => ({
  type: 'control_response',
  response: { subtype: 'success', request_id, response },
});

/**
 * Returns the UUID of a message, by which the process identifies it. Deterministic: a message always has the same UUID.
 */
function uuidOf(message: string): string {
  const hex = createHash('sha256').update(message).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

/** Adds up the usage. Tokens are reported per part of a turn, the cost per life of the process. */
function added({ usage, costBefore }: ClaudeTurn, { usage: reported }: ClaudeResult, cost: number): Usage {
  const input = [reported?.input_tokens, reported?.cache_creation_input_tokens, reported?.cache_read_input_tokens];
  return {
    inputTokens: (usage.inputTokens ?? 0) + input.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    outputTokens: (usage.outputTokens ?? 0) + (reported?.output_tokens ?? 0),
    costUsd: Math.max(0, cost - costBefore),
  };
}

/** Recognizes the program's message, in a result or on stderr, after `--resume` with a deleted session. */
const isForgotten = (text: string): boolean => /No conversation found/i.test(text);

function failureOf(text: string): TurnEnd {
  const message = cutText(text, MAX_ERROR_CHARS);
  // Wording of the program.
  if (!/\/login|invalid api key/i.test(text)) return { kind: 'failed', message };
  return { kind: 'failed', message, hint: 'Run `claude` once as the user of the gateway and log in.' };
}
