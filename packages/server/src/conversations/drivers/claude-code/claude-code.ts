// The driver `claude-code`: `claude -p` with stream-json in both directions, one process per conversation.

import { createHash } from 'node:crypto';
import { defined, type Usage } from '@binnacle/protocol';
import { readAgentJson, required, rowOf } from '../agent-json.ts';
import type { AgentLink, ProcessDriver, ProcessOut, Prompt, TurnEnd } from '../driver.ts';
import { METHOD_NOT_FOUND, type RpcCodec, type RpcId, type RpcMessage, type RpcRequest } from '../json-rpc.ts';
import { JsonRpcLink, type RpcDialect } from '../json-rpc-link.ts';
import { cutError, cutText } from '../tool-text.ts';
import {
  CanUseTool,
  ClaudeCancelRequest,
  ClaudeLine,
  ClaudeResult,
  ControlAnswer,
  ControlRequest,
  ControlResponse,
} from './messages.ts';
import {
  type ClaudeApproval,
  type ClaudeCall,
  type ClaudeCodeState,
  type ClaudeRpc,
  type ClaudeTurn,
  CONTROL_ID,
  FRESH_CLAUDE_STATE,
  restoredClaude,
} from './state.ts';
import { permissionOf } from './tools.ts';
import { appendBlockText, OUTPUT_LINES } from './turn-output.ts';

const FLAGS = [
  '-p',
  '--input-format',
  'stream-json',
  '--output-format',
  'stream-json',
  '--verbose',
  '--include-partial-messages',
  '--replay-user-messages',
  '--permission-prompt-tool',
  'stdio',
  // The answer of this tool is neither yes nor no. Without the tool the model asks in its text.
  '--disallowed-tools',
  'AskUserQuestion',
] as const;

export const claudeCodeDriver: ProcessDriver = {
  name: 'claude-code',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  steer: ['queue', 'inject', 'interrupt'],
  approvals: true,
  launch({ command = ['claude'], model, instructions }, { memory }) {
    return {
      argv: [
        ...command,
        ...FLAGS,
        ...(model === undefined ? [] : ['--model', model]),
        ...(instructions === undefined ? [] : ['--append-system-prompt', instructions]),
        ...(memory === null || memory === '' ? [] : ['--resume', memory]),
      ],
    };
  },
  link: (_agent, out, parts) => new ClaudeCodeLink(out, parts),
  memoryOf(state) {
    // The state of an earlier link. Empty string: the earlier session is gone.
    const { session, isForgotten } = state as Partial<ClaudeCodeState>;
    return isForgotten === true ? '' : (session ?? null);
  },
};

/** Maximum messages injected into one turn. */
const MAX_STEERS = 64;

class ClaudeCodeLink implements AgentLink, RpcDialect<ClaudeCodeState> {
  readonly codec = streamJson;
  readonly maxApprovals = 16;
  /** Maximum bytes of the inputs and suggestions of open approvals. */
  readonly maxApprovalBytes = 256 * 1024;
  readonly #rpc: ClaudeRpc;

  constructor(out: ProcessOut, parts: { readonly state: object | undefined }) {
    // A state of an older version lacks newer fields.
    this.#rpc = new JsonRpcLink<ClaudeCodeState>(out, { ...FRESH_CLAUDE_STATE, ...restoredClaude(parts.state) }, this);
  }

  get state(): ClaudeCodeState {
    return this.#rpc.state;
  }

  get isStarting(): boolean {
    return this.state.session === null;
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
      costBefore: this.state.cost,
    };
    this.#rpc.set({ turn, open: [], approvals: [], pending: [], refused: 0 });
    this.#say(uuidOf(id), text);
  }

  inject({ id, text }: Prompt): void {
    const { turn } = this.state;
    // Further messages stay undelivered.
    if (turn === null || turn.isCancelling || turn.steers.length >= MAX_STEERS) return;
    const uuid = uuidOf(id);
    this.#rpc.setTurn({ steers: [...turn.steers, { message: id, uuid }] });
    this.#say(uuid, text);
  }

  interrupt(): void {
    const { turn } = this.state;
    if (turn === null || turn.isCancelling) return;
    this.#rpc.setTurn({ isCancelling: true });
    // Otherwise the process would begin a turn of its own for each of these messages.
    for (const { message, uuid } of turn.steers) {
      this.#rpc.call('cancel_async_message', { message_uuid: uuid }, message);
    }
    this.#rpc.call('interrupt', {});
  }

  answer(approval: string, option: string): void {
    this.#rpc.answer(approval, option);
  }

  line(line: string): void {
    this.#rpc.line(line);
  }

  exited({ stderr }: { readonly stderr: string }): void {
    if (this.state.turn !== null && isForgotten(stderr)) this.#forgotten(stderr);
  }

  // ---- Output of the process

  notification(type: string, line: unknown): void {
    if (type === 'result') this.#result(line);
    else if (type === 'control_cancel_request') {
      const read = ClaudeCancelRequest.safeParse(line);
      if (read.success) this.#rpc.withdraw(read.data.request_id);
    } else rowOf(OUTPUT_LINES, type)?.(line, this.#rpc);
  }

  #result(line: unknown): void {
    const read = required(ClaudeResult, line, 'Claude Code ended a turn in a new way.');
    const { turn } = this.state;
    const { subtype, is_error, result, errors, stop_reason, total_cost_usd } = read;
    if (total_cost_usd !== undefined) this.#rpc.set({ cost: total_cost_usd });
    // The result of a turn that the process began on its own.
    if (turn === null) return;
    const usage = added(turn, read, this.state.cost);
    this.#rpc.setTurn({ usage });
    this.#rpc.out.usage(usage);
    // The process continues with the injected messages.
    if (turn.steers.length > 0) return;
    if (turn.isCancelling) this.#end({ kind: 'cancelled' });
    else if (is_error === true) {
      const message = result ?? errors?.join('\n') ?? `Claude Code ended the turn with ${subtype ?? 'an error'}.`;
      if (isForgotten(message)) this.#forgotten(message);
      else this.#end(failureOf(message));
    } else {
      // Built-in commands (`/cost`) are answered without a model.
      if (!turn.hasSaid && result !== undefined) appendBlockText(this.#rpc, result);
      this.#end({ kind: 'done', ...defined({ stopReason: stop_reason }) });
    }
  }

  /** Handles a lost session. The next process must not try to resume it. */
  #forgotten(message: string): void {
    this.#rpc.set({ isForgotten: true });
    const hint = 'Send the message again; Claude Code starts without the earlier messages.';
    this.#end({ kind: 'failed', message: cutError(message), hint });
  }

  // ---- Requests of the process

  request({ id: request, method, params, isWhole }: RpcRequest): void {
    const read = method === 'can_use_tool' ? CanUseTool.safeParse(params) : undefined;
    if (read?.data === undefined) {
      this.#rpc.fail(request, METHOD_NOT_FOUND, `${cutText(method, 100)} is not supported here`);
      return;
    }
    const { input, tool_use_id } = read.data;
    const { title, detail, options, suggestions } = permissionOf(read.data);
    const id = String(request);
    const bytes = Buffer.byteLength(JSON.stringify([input, suggestions]));
    // A person cannot approve what the person cannot see.
    const isTooLarge = !isWhole || bytes > this.maxApprovalBytes;
    // No person can decide about this request.
    if (isTooLarge || !this.#rpc.canAsk(id, bytes)) {
      const message = isTooLarge
        ? 'The request is too large to be shown to a person. Split it into parts.'
        : 'No person can be asked.';
      this.#rpc.refuse(request, { behavior: 'deny', message });
      return;
    }
    const tool = defined({ tool: tool_use_id });
    this.#rpc.ask({ id, request, input, suggestions, bytes }, { title, detail, ...tool, options });
  }

  answerOf({ input: updatedInput, suggestions }: ClaudeApproval, option: string): object {
    if (option === 'allow') return { behavior: 'allow', updatedInput };
    const index = /^allow-(\d)$/.exec(option)?.[1];
    const suggestion = index === undefined ? undefined : suggestions[Number(index)];
    return suggestion === undefined
      ? { behavior: 'deny', message: 'It was not allowed.' }
      : { behavior: 'allow', updatedInput, updatedPermissions: [suggestion] };
  }

  // ---- Answers of the process

  result({ method, message }: ClaudeCall, result: unknown): void {
    const { turn } = this.state;
    if (method !== 'cancel_async_message' || turn === null) return;
    if (ControlAnswer.safeParse(result).data?.cancelled !== true) return;
    this.#rpc.setTurn({ steers: turn.steers.filter((steer) => steer.message !== message) });
  }

  rubbishError(line: string): { readonly message: string } {
    return { message: `Claude Code does not speak its protocol: ${JSON.stringify(cutText(line, 100))}` };
  }

  // ---- Common parts

  #say(uuid: string, text: string): void {
    const message = { role: 'user', content: [{ type: 'text', text }] };
    const session_id = this.state.session ?? '';
    this.#rpc.notify('user', { message, parent_tool_use_id: null, session_id, uuid });
  }

  #end(end: TurnEnd): void {
    this.#rpc.end(end, { open: [], pending: [] });
  }
}

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
  const message = cutError(text);
  // Wording of the program.
  if (!/\/login|invalid api key/i.test(text)) return { kind: 'failed', message };
  return { kind: 'failed', message, hint: 'Run `claude` once as the user of the gateway and log in.' };
}

const streamJson: RpcCodec = {
  read,
  call: (id, subtype, params) => ({
    type: 'control_request',
    request_id: `${CONTROL_ID}${id}`,
    request: { subtype, ...params },
  }),
  notification: (type, params) => ({ type, ...params }),
  result: (request_id, response) => controlResponse({ subtype: 'success', request_id, response }),
  error: (request_id, { message }) => controlResponse({ subtype: 'error', request_id, error: message }),
};

const controlResponse = (response: object): object => ({ type: 'control_response', response });

function read(text: string): RpcMessage | null {
  const json = readAgentJson(text);
  const line = ClaudeLine.safeParse(json?.value);
  if (!line.success) return null;
  const { type } = line.data;
  if (type === 'control_request') {
    const { data } = ControlRequest.safeParse(line.data);
    const isWhole = json?.isWhole === true;
    if (data !== undefined) {
      return { kind: 'request', id: data.request_id, method: data.request.subtype, params: data.request, isWhole };
    }
  }
  if (type === 'control_response') {
    const { data } = ControlResponse.safeParse(line.data);
    if (data !== undefined)
      return { kind: 'result', id: callOf(data.response.request_id), result: data.response.response };
  }
  return { kind: 'notification', method: type, params: line.data };
}

/** Returns the id of a call. The process also repeats the answers of the link, which have ids of the process. */
function callOf(id: string): RpcId {
  const number = id.startsWith(CONTROL_ID) ? Number(id.slice(CONTROL_ID.length)) : Number.NaN;
  return Number.isSafeInteger(number) ? number : id;
}
