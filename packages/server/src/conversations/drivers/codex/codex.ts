// The driver `codex`: `codex app-server`, one process per conversation.

import { defined } from '@binnacle/protocol';
import { VERSION } from '../../../base/version.ts';
import { required, rowOf, sentBytes } from '../agent-json.ts';
import type { AgentLink, AgentSettings, ProcessDriver, ProcessOut, Prompt, TurnEnd } from '../driver.ts';
import { jsonRpc, METHOD_NOT_FOUND, type RpcError, type RpcRequest } from '../json-rpc.ts';
import { JsonRpcLink, type RpcDialect } from '../json-rpc-link.ts';
import { cutError, cutText } from '../tool-text.ts';
import { OfThread, OfTurn, ThreadOpened, type TurnError } from './messages.ts';
import { NOTIFICATIONS, type TurnEvents, unknownAnswer } from './notifications.ts';
import { questionOf } from './requests.ts';
import { type CodexApproval, type CodexCall, type CodexRpc, type CodexState, FRESH_CODEX_STATE } from './state.ts';
import { changeSteers, runningTurn } from './turn-output.ts';

export const codexDriver: ProcessDriver = {
  name: 'codex',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  steer: ['queue', 'inject', 'interrupt'],
  approvals: true,
  launch: (agent) => ({ argv: agent.command ?? ['codex', 'app-server'] }),
  link: (agent, out, parts) => new CodexLink(agent, out, parts),
  memoryOf(state) {
    // The state of an earlier link.
    const { thread, isUsed } = state as Partial<CodexState>;
    return isUsed === true ? (thread ?? null) : null;
  },
};

/** Maximum messages injected into one turn. */
const MAX_STEERS = 64;
/**
 * Maximum bytes of all messages that wait for the turn to begin: they are sent together, and stored as one log entry of
 * at most 1 MiB.
 */
const MAX_WAITING_BYTES = 700 * 1024;
/** The requests before the first turn, sent one after the other. */
const GREETING: ReadonlySet<string> = new Set(['initialize', 'thread/start', 'thread/resume']);

class CodexLink implements AgentLink, RpcDialect<CodexState>, TurnEvents {
  readonly codec = jsonRpc();
  readonly maxApprovals = 32;
  /** Maximum bytes of the possible answers to open approvals. */
  readonly maxApprovalBytes = 64 * 1024;
  readonly #agent: AgentSettings;
  readonly #memory: string | null;
  readonly #cwd: string;
  readonly #rpc: CodexRpc;

  constructor(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ) {
    this.#agent = agent;
    this.#memory = parts.memory;
    this.#cwd = parts.cwd;
    // The state comes from an earlier link. A state of an older version lacks newer fields.
    this.#rpc = new JsonRpcLink<CodexState>(out, { ...FRESH_CODEX_STATE, ...parts.state }, this);
  }

  get state(): CodexState {
    return this.#rpc.state;
  }

  get isStarting(): boolean {
    return this.state.turn?.id === null;
  }

  prompt({ id: message, text }: Prompt): void {
    const { pending, tokens: before } = this.state;
    this.#rpc.set({
      turn: { message, text, id: null, isCancelling: false, steers: [], saying: null, thinking: null, before },
      running: [],
      approvals: [],
      // Unanswered requests belong to an earlier turn, except those of the greeting.
      pending: pending.filter(({ method }) => GREETING.has(method)),
      refused: 0,
    });
    this.#proceed();
  }

  inject({ id: message, text }: Prompt): void {
    const { turn } = this.state;
    if (turn === null || turn.isCancelling || turn.steers.length >= MAX_STEERS) return;
    const waiting = [turn.text, text, ...turn.steers.map((steer) => steer.text)];
    // Further messages stay undelivered.
    if (waiting.reduce((sum, each) => sum + (each === null ? 0 : sentBytes(each)), 0) > MAX_WAITING_BYTES) return;
    this.#rpc.setTurn({ steers: [...turn.steers, { message, text, isAccepted: false }] });
    this.#steer();
  }

  interrupt(): void {
    const { turn } = this.state;
    if (turn === null || turn.isCancelling) return;
    // The prompt has not been sent. The greeting continues, for the next turn.
    if (turn.text !== null) this.#end({ kind: 'cancelled' });
    else {
      this.#rpc.setTurn({ isCancelling: true });
      this.#interruptNow();
    }
  }

  answer(approval: string, option: string): void {
    this.#rpc.answer(approval, option);
  }

  line(line: string): void {
    this.#rpc.line(line);
  }

  // ---- Requests to Codex

  /** Sends the next request on the way to the waiting prompt. */
  #proceed(): void {
    const { isGreeted, thread, turn, pending } = this.state;
    if (turn === null || turn.text === null || pending.some(({ method }) => GREETING.has(method))) return;
    if (!isGreeted) {
      const clientInfo = { name: 'binnacle', title: 'Binnacle', version: VERSION };
      this.#rpc.call('initialize', { clientInfo, capabilities: null });
    } else if (thread === null) this.#open(this.#memory);
    else {
      const { message, text } = turn;
      this.#rpc.set({ isUsed: true });
      this.#rpc.setTurn({ text: null });
      this.#rpc.call('turn/start', { threadId: thread, clientUserMessageId: message, input: inputOf(text) });
    }
  }

  #open(memory: string | null): void {
    const { model, instructions } = this.#agent;
    const common = { cwd: this.#cwd, ...defined({ model }) };
    // Excludes the earlier turns: a single line would contain all of them.
    if (memory !== null) this.#rpc.call('thread/resume', { threadId: memory, excludeTurns: true, ...common });
    else {
      this.#rpc.call('thread/start', { ...common, ...defined({ developerInstructions: instructions }) });
    }
  }

  /** Injects the waiting messages once the id of the turn is known. */
  #steer(): void {
    const { turn, thread } = this.state;
    if (turn === null || turn.id === null || thread === null) return;
    for (const { message, text } of turn.steers) {
      if (text === null) continue;
      const params = { threadId: thread, expectedTurnId: turn.id, clientUserMessageId: message, input: inputOf(text) };
      this.#rpc.call('turn/steer', params, message);
    }
    this.#rpc.setTurn({ steers: turn.steers.map((steer) => ({ ...steer, text: null })) });
  }

  #interruptNow(): void {
    const { turn, thread } = this.state;
    if (turn === null || turn.id === null || thread === null) return;
    this.#rpc.call('turn/interrupt', { threadId: thread, turnId: turn.id });
  }

  // ---- Answers of Codex

  result({ method, message }: CodexCall, result: unknown): void {
    switch (method) {
      case 'initialize':
        this.#rpc.set({ isGreeted: true });
        this.#rpc.notify('initialized');
        this.#proceed();
        return;
      case 'thread/start':
      case 'thread/resume':
        this.#rpc.set({
          thread: required(ThreadOpened, result, unknownAnswer(method)).thread.id,
          isUsed: method === 'thread/resume',
        });
        this.#proceed();
        return;
      case 'turn/start':
        this.begun(required(OfTurn, result, unknownAnswer(method)).turn.id);
        return;
      case 'turn/steer':
        changeSteers(this.#rpc, (steer) => [steer.message === message ? { ...steer, isAccepted: true } : steer]);
        return;
      case 'turn/interrupt':
        return;
    }
  }

  error({ method, message }: CodexCall, error: RpcError): void {
    switch (method) {
      case 'thread/resume':
        // The thread was deleted, or belongs to another version. People should know that the agent has forgotten it.
        this.#rpc.note(cutError(`Codex could not continue its earlier thread, and starts a new one: ${error.message}`));
        this.#open(null);
        return;
      case 'turn/steer':
        // Too late, or impossible in this kind of turn: the message stays undelivered.
        changeSteers(this.#rpc, (steer) => (steer.message === message ? [] : [steer]));
        return;
      case 'turn/interrupt':
        // The turn has ended meanwhile, which Codex reports separately.
        return;
      default:
        if (this.state.turn !== null) this.#end(failureOf({ message: error.message }));
    }
  }

  // ---- Requests of Codex

  request({ id: request, method, params, isWhole }: RpcRequest): void {
    const { running } = this.state;
    const question = questionOf(method, params, (tool) => running.find(({ call }) => call.id === tool)?.call);
    // A person cannot approve what the person cannot see.
    if (question === undefined || !isWhole) {
      const what = question === undefined ? 'not supported here' : 'nested too deeply';
      this.#rpc.fail(request, METHOD_NOT_FOUND, `${cutText(method, 100)} is ${what}`);
      return;
    }
    const { title, detail, tool, choices } = question;
    const id = String(request);
    const answers = Object.fromEntries(choices.map(({ option, result }) => [option.id, result]));
    const bytes = Buffer.byteLength(JSON.stringify(answers));
    // No person can decide about this request, or see all of it.
    if (runningTurn(this.#rpc) === undefined || detail === undefined || !this.#rpc.canAsk(id, bytes)) {
      const denial = choices.findLast(({ option }) => option.kind === 'deny_once');
      this.#rpc.refuse(request, denial?.result ?? {});
      return;
    }
    const options = choices.map(({ option }) => option);
    const shown = { title, detail, ...defined({ tool }), options };
    this.#rpc.ask({ id, request, answers, bytes }, shown);
  }

  answerOf({ answers }: CodexApproval, option: string): object | undefined {
    return rowOf(answers, option);
  }

  // ---- Notifications of Codex

  notification(method: string, params: unknown): void {
    const of = OfThread.safeParse(params);
    const thread = of.success ? of.data.threadId : undefined;
    if (thread !== undefined && this.state.thread !== null && thread !== this.state.thread) return;
    rowOf(NOTIFICATIONS, method)?.(params, this.#rpc, this);
  }

  begun(id: string): void {
    const turn = runningTurn(this.#rpc);
    // A turn that was not requested, or whose begin was already reported.
    if (turn === undefined || turn.id !== null) return;
    this.#rpc.setTurn({ id });
    this.#steer();
    if (turn.isCancelling) this.#interruptNow();
  }

  completed({ id, status, error }: Parameters<TurnEvents['completed']>[0]): void {
    const turn = runningTurn(this.#rpc);
    if (turn === undefined || (turn.id !== null && turn.id !== id)) return;
    if (status === 'failed') this.#end(failureOf(error));
    else if (status === 'interrupted') this.#end({ kind: 'cancelled' });
    else {
      // Older versions do not report which injected message they took.
      for (const { message, isAccepted } of turn.steers) if (isAccepted) this.#rpc.out.delivered(message);
      this.#end({ kind: 'done' });
    }
  }

  rubbishError(line: string): { readonly message: string; readonly hint: string } {
    return {
      message: `Codex does not speak its protocol: ${JSON.stringify(cutText(line, 100))}`,
      hint: `Is agents.entries.${this.#agent.id}.command \`codex app-server\`?`,
    };
  }

  #end(end: TurnEnd): void {
    this.#rpc.end(end, { running: [] });
  }
}

const inputOf = (text: string): readonly object[] => [{ type: 'text', text, text_elements: [] }];

function failureOf(error: Partial<TurnError> | undefined): TurnEnd {
  const message = cutError(plain(error?.message ?? 'Codex did not say why.'));
  if (error?.codexErrorInfo !== 'unauthorized') return { kind: 'failed', message };
  return { kind: 'failed', message, hint: 'Run `codex login` as the user of the gateway.' };
}

/** Extracts the message from a provider's answer, which Codex forwards and which is usually JSON. */
function plain(message: string): string {
  try {
    const { error } = JSON.parse(message) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? error.message : message;
  } catch {
    return message;
  }
}
