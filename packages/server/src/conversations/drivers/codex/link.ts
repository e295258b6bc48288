// The link to one `codex app-server`, as a fold over its lines. Protocol: JSON-RPC without `jsonrpc`, over stdio.

import { BinnacleError, type ToolCall } from '@binnacle/protocol';
import type { z } from 'zod';
import { VERSION } from '../../../base/version.ts';
import { sentBytes } from '../agent-json.ts';
import type { AgentLink, AgentSettings, ProcessOut, Prompt, TurnEnd } from '../driver.ts';
import { type RpcError, type RpcId, type RpcMessage, readMessage } from '../json-rpc.ts';
import { oneMoreRefused } from '../refusal.ts';
import { cutText } from '../tool-text.ts';
import { toolOf } from './items.ts';
import { MessageItem, OfThread, OfTurn, ThreadOpened, type TurnError, UserItem } from './messages.ts';
import { NOTIFICATIONS, type NotificationActions, need, type TokenCount } from './notifications.ts';
import { questionOf } from './requests.ts';
import { type CodexMethod, type CodexState, type CodexTurn, FRESH_CODEX_STATE } from './state.ts';

/**
 * Maximum invalid lines. Programs print warnings on stdout; more of them mean that the program does not speak the
 * protocol.
 */
const MAX_RUBBISH = 20;
const MAX_ERROR_CHARS = 500;
/** Maximum commands whose output is shown while they run. The end of any other command reports its output. */
const MAX_RUNNING = 8;
/** Maximum stored length, in UTF-16 units, of a command's output, and of its input. */
const MAX_TAIL = 3000;
const MAX_INPUT = 1000;
/**
 * Maximum bytes, as JSON, of all stored file changes that a person may have to approve. Larger ones are denied, because
 * they cannot be shown.
 */
const MAX_DIFFS = 32 * 1024;
/**
 * Maximum output deltas of a command that are shown at once. After that, output is throttled to one update per
 * LAZY_UNITS.
 */
const EAGER_DELTAS = 20;
const LAZY_UNITS = 2000;
/** Maximum requests of Codex that wait for an answer. */
const MAX_APPROVALS = 32;
/** Maximum bytes, as JSON, of the possible answers to all waiting requests. */
const MAX_ANSWERS_BYTES = 64 * 1024;
/** Maximum messages injected into one turn. */
const MAX_STEERS = 64;
/**
 * Maximum bytes of all messages that wait for the turn to begin: they are sent together, and stored as one log entry of
 * at most 1 MiB.
 */
const MAX_WAITING_BYTES = 700 * 1024;
const METHOD_NOT_FOUND = -32601;
/** The requests before the first turn, sent one after the other. */
const GREETING: ReadonlySet<CodexMethod> = new Set(['initialize', 'thread/start', 'thread/resume']);

export class CodexLink implements AgentLink {
  readonly #agent: AgentSettings;
  readonly #out: ProcessOut;
  readonly #memory: string | null;
  readonly #cwd: string;
  #state: CodexState;

  constructor(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ) {
    this.#agent = agent;
    this.#out = out;
    this.#memory = parts.memory;
    this.#cwd = parts.cwd;
    // The state comes from an earlier link. A state of an older version lacks newer fields.
    this.#state = { ...FRESH_CODEX_STATE, ...parts.state };
  }

  get state(): CodexState {
    return this.#state;
  }

  get isStarting(): boolean {
    return this.#state.turn?.id === null;
  }

  prompt({ id: message, text }: Prompt): void {
    const turn: CodexTurn = {
      message,
      text,
      id: null,
      isCancelling: false,
      steers: [],
      saying: null,
      thinking: null,
      before: this.#state.tokens,
    };
    // Unanswered requests belong to an earlier turn, except those of the greeting.
    const pending = this.#state.pending.filter(({ method }) => GREETING.has(method));
    this.#set({ turn, running: [], approvals: [], pending, refused: 0 });
    this.#proceed();
  }

  inject({ id: message, text }: Prompt): void {
    const { turn } = this.#state;
    if (turn === null || turn.isCancelling || turn.steers.length >= MAX_STEERS) return;
    const waiting = [turn.text, text, ...turn.steers.map((steer) => steer.text)];
    // Further messages stay undelivered.
    if (waiting.reduce((sum, each) => sum + (each === null ? 0 : sentBytes(each)), 0) > MAX_WAITING_BYTES) return;
    this.#setTurn({ steers: [...turn.steers, { message, text, isAccepted: false }] });
    this.#steer();
  }

  interrupt(): void {
    const { turn } = this.#state;
    if (turn === null || turn.isCancelling) return;
    // The prompt has not been sent. The greeting continues, for the next turn.
    if (turn.text !== null) this.#end({ kind: 'cancelled' });
    else {
      this.#setTurn({ isCancelling: true });
      this.#interruptNow();
    }
  }

  answer(approval: string, option: string): void {
    const entry = this.#state.approvals.find(({ id }) => id === approval);
    const result = entry === undefined || !Object.hasOwn(entry.answers, option) ? undefined : entry.answers[option];
    if (entry === undefined || result === undefined) return;
    this.#set({ approvals: this.#state.approvals.filter(({ id }) => id !== approval) });
    this.#send({ id: entry.request, result });
  }

  line(line: string): void {
    const message = readMessage(line);
    if (message === null) this.#rubbish(line);
    else if (message.kind === 'request') this.#requested(message);
    else if (message.kind === 'notification') this.#notified(message.method, message.params);
    else this.#answered(message.id, message.kind === 'error' ? { error: message.error } : { result: message.result });
  }

  // ---- Requests to Codex

  /** Sends the next request on the way to the waiting prompt. */
  #proceed(): void {
    const { isGreeted, thread, turn, pending } = this.#state;
    if (turn === null || turn.text === null || pending.some(({ method }) => GREETING.has(method))) return;
    if (!isGreeted) {
      const clientInfo = { name: 'binnacle', title: 'Binnacle', version: VERSION };
      this.#ask('initialize', { clientInfo, capabilities: null });
    } else if (thread === null) this.#open(this.#memory);
    else {
      const { message, text } = turn;
      this.#set({ isUsed: true });
      this.#setTurn({ text: null });
      this.#ask('turn/start', { threadId: thread, clientUserMessageId: message, input: inputOf(text) });
    }
  }

  #open(memory: string | null): void {
    const { model, instructions } = this.#agent;
    const common = { cwd: this.#cwd, ...(model === undefined ? {} : { model }) };
    // Excludes the earlier turns: a single line would contain all of them.
    if (memory !== null) this.#ask('thread/resume', { threadId: memory, excludeTurns: true, ...common });
    else {
      this.#ask('thread/start', {
        ...common,
        ...(instructions === undefined ? {} : { developerInstructions: instructions }),
      });
    }
  }

  /** Injects the waiting messages once the id of the turn is known. */
  #steer(): void {
    const { turn, thread } = this.#state;
    if (turn === null || turn.id === null || thread === null) return;
    for (const { message, text } of turn.steers) {
      if (text === null) continue;
      const params = { threadId: thread, expectedTurnId: turn.id, clientUserMessageId: message, input: inputOf(text) };
      this.#ask('turn/steer', params, message);
    }
    this.#setTurn({ steers: turn.steers.map((steer) => ({ ...steer, text: null })) });
  }

  #interruptNow(): void {
    const { turn, thread } = this.#state;
    if (turn === null || turn.id === null || thread === null) return;
    this.#ask('turn/interrupt', { threadId: thread, turnId: turn.id });
  }

  #ask(method: CodexMethod, params: object, message?: string): void {
    const { nextId: id, pending } = this.#state;
    const entry = { id, method, ...(message === undefined ? {} : { message }) };
    this.#set({ nextId: id + 1, pending: [...pending, entry] });
    this.#send({ id, method, params });
  }

  // ---- Answers of Codex

  #answered(id: RpcId, answer: { readonly result: unknown } | { readonly error: RpcError }): void {
    const entry = this.#state.pending.find((one) => one.id === id);
    // An answer to none of the requests.
    if (entry === undefined) return;
    this.#set({ pending: this.#state.pending.filter((one) => one !== entry) });
    if ('error' in answer) this.#refused(entry.method, entry.message, answer.error);
    else this.#granted(entry.method, entry.message, answer.result);
  }

  #granted(method: CodexMethod, message: string | undefined, result: unknown): void {
    switch (method) {
      case 'initialize':
        this.#set({ isGreeted: true });
        this.#send({ method: 'initialized' });
        this.#proceed();
        return;
      case 'thread/start':
      case 'thread/resume':
        this.#set({
          thread: need(ThreadOpened, result, method).thread.id,
          isUsed: method === 'thread/resume',
        });
        this.#proceed();
        return;
      case 'turn/start':
        this.#begun(need(OfTurn, result, method).turn.id);
        return;
      case 'turn/steer':
        this.#changeSteers((steer) => (steer.message === message ? [{ ...steer, isAccepted: true }] : [steer]));
        return;
      case 'turn/interrupt':
        return;
    }
  }

  #refused(method: CodexMethod, message: string | undefined, error: RpcError): void {
    switch (method) {
      case 'thread/resume': {
        // The thread was deleted, or belongs to another version. People should know that the agent has forgotten it.
        const text = `Codex could not continue its earlier thread, and starts a new one: ${error.message}`;
        this.#out.agent('note', { text: cutText(text, MAX_ERROR_CHARS) });
        this.#open(null);
        return;
      }
      case 'turn/steer':
        // Too late, or impossible in this kind of turn: the message stays undelivered.
        this.#changeSteers((steer) => (steer.message === message ? [] : [steer]));
        return;
      case 'turn/interrupt':
        // The turn has ended meanwhile, which Codex reports separately.
        return;
      default:
        if (this.#state.turn !== null) this.#end(failureOf({ message: error.message }));
    }
  }

  // ---- Requests of Codex

  #requested({ id: request, method, params, isWhole }: Extract<RpcMessage, { kind: 'request' }>): void {
    const { turn, approvals, running } = this.#state;
    const question = questionOf(method, params, (tool) => running.find(({ call }) => call.id === tool)?.call);
    const id = String(request);
    // A person cannot approve what the person cannot see.
    if (question === undefined || !isWhole) {
      const what = question === undefined ? 'not supported here' : 'nested too deeply';
      this.#refuse({ id: request, error: { code: METHOD_NOT_FOUND, message: `${cutText(method, 100)} is ${what}` } });
      return;
    }
    const { title, detail, tool, choices } = question;
    const denial = choices.findLast(({ option }) => option.kind === 'deny_once');
    const answers = Object.fromEntries(choices.map(({ option, result }) => [option.id, result]));
    const others = approvals.filter((one) => one.id !== id);
    const bytes = Buffer.byteLength(JSON.stringify(answers));
    const isTooMuch =
      others.length >= MAX_APPROVALS || others.reduce((sum, one) => sum + one.bytes, bytes) > MAX_ANSWERS_BYTES;
    // No person can decide about this request, or see all of it.
    if (turn === null || turn.text !== null || turn.isCancelling || isTooMuch || detail === undefined) {
      this.#refuse({ id: request, result: denial?.result ?? {} });
      return;
    }
    this.#set({ approvals: [...others, { id, request, answers, bytes }] });
    const options = choices.map(({ option }) => option);
    this.#out.approval({ id, title, detail, ...(tool === undefined ? {} : { tool }), options });
  }

  #refuse(answer: object): void {
    this.#set({ refused: oneMoreRefused(this.#state.refused) });
    this.#send(answer);
  }

  // ---- Notifications of Codex

  #notified(method: string, params: unknown): void {
    const of = OfThread.safeParse(params);
    const thread = of.success ? of.data.threadId : undefined;
    if (thread !== undefined && this.#state.thread !== null && thread !== this.#state.thread) return;
    if (Object.hasOwn(NOTIFICATIONS, method)) NOTIFICATIONS[method]?.(this.#actions, params);
  }

  /** The actions of the rows in the table of notifications, bound once. */
  readonly #actions: NotificationActions = {
    begun: (id) => this.#begun(id),
    completed: (turn) => this.#completed(turn),
    appendText: (item, delta) => this.#appendText(item, delta),
    thought: (item, delta, how) => this.#thought(item, delta, how),
    thoughtPart: (item) => {
      if (this.#state.turn?.thinking?.item === item) this.#out.delta('\n\n', 'thought');
    },
    item: (type, item, isOver) => this.#item(type, item, isOver),
    output: (item, delta) => this.#output(item, delta),
    plan: (plan) => this.#out.agent('plan', plan),
    note: (text) => this.#out.agent('note', { text: cutText(text, MAX_ERROR_CHARS) }),
    usage: (total, last) => this.#usage(total, last),
    withdrawn: (request) => {
      const entry = this.#state.approvals.find((one) => one.request === request);
      if (entry === undefined) return;
      this.#set({ approvals: this.#state.approvals.filter((one) => one !== entry) });
      this.#out.withdraw(entry.id);
    },
  };

  #begun(id: string): void {
    const { turn } = this.#state;
    // A turn that was not requested, or whose begin was already reported.
    if (turn === null || turn.text !== null || turn.id !== null) return;
    this.#setTurn({ id });
    this.#steer();
    if (turn.isCancelling) this.#interruptNow();
  }

  #completed({ id, status, error }: z.output<typeof OfTurn>['turn']): void {
    const { turn } = this.#state;
    if (turn === null || turn.text !== null || (turn.id !== null && turn.id !== id)) return;
    if (status === 'failed') this.#end(failureOf(error));
    else if (status === 'interrupted') this.#end({ kind: 'cancelled' });
    else {
      // Older versions do not report which injected message they took.
      for (const { message, isAccepted } of turn.steers) if (isAccepted) this.#out.delivered(message);
      this.#end({ kind: 'done' });
    }
  }

  #appendText(item: string, delta: string): void {
    const { turn } = this.#state;
    if (turn === null || turn.text !== null) return;
    const known = turn.saying?.item === item ? turn.saying.chars : undefined;
    if (known === undefined) this.#out.paragraph();
    this.#out.delta(delta);
    this.#setTurn({ saying: { item, chars: (known ?? 0) + delta.length } });
  }

  #thought(item: string, delta: string, how: 'text' | 'summary'): void {
    const { turn } = this.#state;
    if (turn === null || turn.text !== null) return;
    const { thinking } = turn;
    if (thinking?.item === item && thinking.how !== how) return;
    this.#setTurn({ thinking: { item, how } });
    this.#out.delta(thinking !== null && thinking.item !== item ? `\n\n${delta}` : delta, 'thought');
  }

  #item(type: string, item: unknown, isOver: boolean): void {
    const { turn } = this.#state;
    if (turn === null || turn.text !== null) return;
    const call = toolOf(type, item, isOver);
    if (call !== undefined) {
      this.#keepRunning(call);
      this.#out.tool(call);
    } else if (type === 'agentMessage' && isOver) {
      const read = MessageItem.safeParse(item);
      if (!read.success) return;
      const { id, text } = read.data;
      // The part that no delta reported.
      const known = turn.saying?.item === id ? turn.saying.chars : 0;
      if (text.length > known) this.#appendText(id, text.slice(known));
    } else if (type === 'userMessage' && !isOver) {
      const read = UserItem.safeParse(item);
      const client = read.success ? read.data.clientId : undefined;
      if (!turn.steers.some(({ message }) => message === client) || client === undefined) return;
      this.#changeSteers((steer) => (steer.message === client ? [] : [steer]));
      this.#out.delivered(client);
    } else if (type === 'contextCompaction') {
      this.#out.agent('status', { compaction: isOver ? 'completed' : 'in_progress' });
    }
  }

  #output(item: string, delta: string): void {
    const known = this.#state.running.find(({ call }) => call.id === item);
    if (known === undefined || delta === '') return;
    const whole = (known.call.output ?? '') + delta;
    const output = whole.length <= MAX_TAIL ? whole : `…${whole.slice(-MAX_TAIL).toWellFormed()}`;
    const call: ToolCall = { ...known.call, output };
    const hidden = known.hidden + delta.length;
    const isShown = known.shown < EAGER_DELTAS || hidden >= LAZY_UNITS;
    const next = { call, shown: known.shown + (isShown ? 1 : 0), hidden: isShown ? 0 : hidden };
    this.#set({ running: this.#state.running.map((one) => (one === known ? next : one)) });
    if (isShown) this.#out.tool(call);
  }

  #keepRunning(call: ToolCall): void {
    const others = this.#state.running.filter((one) => one.call.id !== call.id);
    if (call.status !== 'running') {
      this.#set({ running: others });
      return;
    }
    const { id, kind, status } = call;
    const isSmall = call.input !== undefined && JSON.stringify(call.input).length <= MAX_INPUT;
    // A person may have to approve the changes. The report of their completion includes them again.
    const diffBytes = [call, ...others.map((one) => one.call)].reduce((sum, { diffs }) => sum + bytesOf(diffs), 0);
    const stored: ToolCall = {
      id,
      title: cutText(call.title, MAX_INPUT),
      kind,
      status,
      ...(isSmall ? { input: call.input } : {}),
      ...(call.diffs !== undefined && diffBytes <= MAX_DIFFS ? { diffs: call.diffs } : {}),
    };
    this.#set({ running: [...others, { call: stored, shown: 0, hidden: 0 }].slice(-MAX_RUNNING) });
  }

  #usage(total: TokenCount, last: TokenCount): void {
    const now = { input: total.inputTokens, output: total.outputTokens };
    this.#set({ tokens: now });
    const { turn } = this.#state;
    if (turn === null || turn.text !== null) return;
    // A resumed thread counts from its beginning, which this link has not seen.
    const before = turn.before ?? { input: now.input - last.inputTokens, output: now.output - last.outputTokens };
    this.#setTurn({ before });
    this.#out.usage({
      inputTokens: Math.max(0, now.input - before.input),
      outputTokens: Math.max(0, now.output - before.output),
    });
  }

  // ---- Common parts

  #end(end: TurnEnd): void {
    this.#set({ turn: null, running: [], approvals: [] });
    this.#out.ended(end);
  }

  #rubbish(line: string): void {
    if (line.trim() === '') return;
    const rubbish = this.#state.rubbish + 1;
    this.#set({ rubbish });
    if (rubbish <= MAX_RUBBISH) return;
    throw new BinnacleError('agent_protocol', {
      message: `Codex does not speak its protocol: ${JSON.stringify(cutText(line, 100))}`,
      hint: `Is agents.entries.${this.#agent.id}.command \`codex app-server\`?`,
    });
  }

  #changeSteers(change: (steer: CodexTurn['steers'][number]) => CodexTurn['steers']): void {
    const { turn } = this.#state;
    if (turn !== null) this.#setTurn({ steers: turn.steers.flatMap(change) });
  }

  #setTurn(change: Partial<CodexTurn>): void {
    const { turn } = this.#state;
    if (turn !== null) this.#set({ turn: { ...turn, ...change } });
  }

  #set(change: Partial<CodexState>): void {
    this.#state = { ...this.#state, ...change };
  }

  #send(message: object): void {
    this.#out.send(JSON.stringify(message));
  }
}

const bytesOf = (value: unknown): number => (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)));

const inputOf = (text: string): readonly object[] => [{ type: 'text', text, text_elements: [] }];

function failureOf(error: Partial<TurnError> | undefined): TurnEnd {
  const message = cutText(plain(error?.message ?? 'Codex did not say why.'), MAX_ERROR_CHARS);
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
