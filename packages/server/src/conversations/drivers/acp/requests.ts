// The requests of an ACP agent: permissions from a person, and terminals.

import type { ApprovalOption } from '@binnacle/protocol';
import type { z } from 'zod';
import { rowOf } from '../agent-json.ts';
import type { TerminalAnswer } from '../driver.ts';
import { METHOD_NOT_FOUND, type RpcId, type RpcRequest } from '../json-rpc.ts';
import { cutError, cutText, MAX_LABEL } from '../tool-text.ts';
import { AcpCancelRequest, CreateTerminal, OfTerminal, PermissionRequest } from './messages.ts';
import type { AcpRpc, TerminalQuestion } from './state.ts';
import { keepTool } from './tool-calls.ts';
import { detailOf, mergeTool } from './tools.ts';

const MAX_QUESTIONS = 64;
/** Maximum terminals. Each costs a PTY and its processes. */
const MAX_TERMINALS = 32;
/**
 * Maximum bytes, as JSON, of a command with its arguments and environment; and of all commands that have not started
 * yet.
 */
const MAX_SPEC_BYTES = 128 * 1024;
/**
 * Maximum bytes of a terminal's output in one answer. An answer is stored as one log entry, which has at most 1 MiB,
 * and JSON in JSON makes seven bytes of an escape character.
 */
const MAX_OUTPUT_BYTES = 96 * 1024;
/** Id of the gateway's own deny option, for a request without one: a request that nobody answers must be deniable. */
const DENY = 'binnacle:deny';

const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const NOT_FOUND = -32002;
const CANCELLED = -32800;

/** The answer to a permission that was not given. */
export const CANCELLED_OUTCOME = { outcome: { outcome: 'cancelled' } };

/** The answer to a permission, by the chosen option. */
export const outcomeOf = (option: string): object =>
  option === DENY ? CANCELLED_OUTCOME : { outcome: { outcome: 'selected', optionId: option } };

const OPTION_KINDS: Readonly<Record<string, ApprovalOption['kind']>> = {
  allow_once: 'allow_once',
  allow_always: 'allow_always',
  reject_once: 'deny_once',
  reject_always: 'deny_always',
};

export class AcpRequests {
  readonly #rpc: AcpRpc;
  readonly #cwd: string;
  readonly #table: Readonly<Record<string, (id: RpcId, params: unknown) => void>>;

  constructor(rpc: AcpRpc, cwd: string) {
    this.#rpc = rpc;
    this.#cwd = cwd;
    this.#table = {
      'session/request_permission': this.#row(PermissionRequest, (id, request) => this.#permission(id, request)),
      'terminal/create': this.#row(CreateTerminal, (id, request) => this.#create(id, request)),
      'terminal/output': this.#row(OfTerminal, (id, { terminalId }) => this.#question(id, terminalId, 'output')),
      'terminal/wait_for_exit': this.#row(OfTerminal, (id, { terminalId }) => this.#question(id, terminalId, 'exit')),
      'terminal/kill': this.#row(OfTerminal, (id, { terminalId }) => this.#stop(id, terminalId, 'kill')),
      'terminal/release': this.#row(OfTerminal, (id, { terminalId }) => this.#stop(id, terminalId, 'release')),
    };
  }

  /**
   * Handles a request. An unknown method is answered with an error, so that an agent with more needs continues without
   * it.
   */
  handle({ id, method, params }: RpcRequest): void {
    const row = rowOf(this.#table, method);
    if (row === undefined) this.#rpc.fail(id, METHOD_NOT_FOUND, `Method not found: ${cutText(method, 100)}`);
    else row(id, params);
  }

  #row<T extends z.ZodType>(schema: T, then: (id: RpcId, params: z.output<T>) => void) {
    return (id: RpcId, params: unknown): void => {
      const read = schema.safeParse(params);
      if (read.success) {
        then(id, read.data);
        return;
      }
      const where = read.error.issues[0]?.path.join('.') ?? '';
      this.#rpc.fail(id, INVALID_PARAMS, `Invalid params: ${cutText(where, 100)}`);
    };
  }

  #permission(request: RpcId, { toolCall, options }: z.output<typeof PermissionRequest>): void {
    const { turn, approvalCount, tools } = this.#rpc.state;
    // Unique in the conversation, because the id of the message is.
    const id = `${turn?.message}-${approvalCount + 1}`;
    const known = tools.find((each) => each.call.id === toolCall.toolCallId);
    // The person would see less than what the agent will do.
    const isPartial = known?.isShort === true && (toolCall.rawInput === undefined || toolCall.content === undefined);
    if (isPartial || !this.#rpc.canAsk(id)) {
      this.#rpc.refuse(request, CANCELLED_OUTCOME);
      return;
    }
    const call = mergeTool(known?.call, toolCall, (ref) => this.sessionOf(ref));
    this.#rpc.out.tool(call);
    this.#rpc.set({ approvalCount: approvalCount + 1, tools: keepTool(tools, call) });
    const paths = (toolCall.locations ?? []).map(({ path }) => path);
    // The detail has the whole title; a title that is cut would deny the request.
    const title = cutText(call.title, MAX_LABEL);
    const shown = { title, detail: detailOf(call, paths), tool: call.id, options: optionsOf(options) };
    this.#rpc.ask({ id, request }, shown);
  }

  #create(request: RpcId, { command, args, env, cwd, outputByteLimit }: z.output<typeof CreateTerminal>): void {
    const { terminals, terminalCount } = this.#rpc.state;
    if (terminals.length >= MAX_TERMINALS) {
      this.#rpc.fail(request, INTERNAL_ERROR, `There are ${MAX_TERMINALS} terminals already. Release one first.`);
      return;
    }
    const ref = `t${terminalCount + 1}`;
    const spec = {
      command,
      args: args ?? [],
      cwd: cwd ?? this.#cwd,
      ...(env === undefined ? {} : { env: Object.fromEntries(env.map(({ name, value }) => [name, value])) }),
    };
    // The spec is stored until the terminal is created, so that a new gateway can repeat the request.
    const bytes = Buffer.byteLength(JSON.stringify(spec));
    if (terminals.reduce((sum, { wanted }) => sum + (wanted?.bytes ?? 0), bytes) > MAX_SPEC_BYTES) {
      const message = `A command with its arguments and environment has at most ${MAX_SPEC_BYTES / 1024} KiB.`;
      this.#rpc.fail(request, INVALID_PARAMS, message);
      return;
    }
    const limit = Math.min(outputByteLimit ?? MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES);
    this.#rpc.set({
      terminalCount: terminalCount + 1,
      terminals: [...terminals, { ref, limit, wanted: { request, spec, bytes } }],
    });
    this.#rpc.out.terminals.create(ref, spec);
  }

  #created(answer: Extract<TerminalAnswer, { kind: 'created' | 'failed' }>): void {
    const { terminals } = this.#rpc.state;
    const terminal = terminals.find(({ ref }) => ref === answer.ref);
    // A new gateway repeats the request, and the answer to the first one may have arrived as well.
    if (terminal === undefined || terminal.wanted === null) return;
    const { request } = terminal.wanted;
    if (answer.kind === 'failed') {
      this.#rpc.set({ terminals: terminals.filter((each) => each !== terminal) });
      this.#rpc.fail(request, INTERNAL_ERROR, cutError(answer.message));
      return;
    }
    this.#rpc.set({ terminals: terminals.map((each) => (each === terminal ? { ...each, wanted: null } : each)) });
    this.#rpc.reply(request, { terminalId: answer.ref });
  }

  #question(request: RpcId, ref: string, asks: TerminalQuestion['asks']): void {
    if (!this.#has(request, ref)) return;
    if (this.#rpc.state.questions.length >= MAX_QUESTIONS) {
      this.#rpc.fail(request, INTERNAL_ERROR, `More than ${MAX_QUESTIONS} questions wait for an answer.`);
      return;
    }
    const question = { request, ref, asks };
    this.#rpc.set({ questions: [...this.#rpc.state.questions, question] });
    this.#ask(question);
  }

  #ask(question: TerminalQuestion): void {
    const { terminals } = this.#rpc.out;
    const limit = this.#rpc.state.terminals.find(({ ref }) => ref === question.ref)?.limit ?? MAX_OUTPUT_BYTES;
    if (question.asks === 'exit') terminals.waitForExit(question.ref, nameOf(question));
    else terminals.output(question.ref, nameOf(question), limit);
  }

  #answerQuestion(answer: Extract<TerminalAnswer, { kind: 'output' | 'exited' }>): void {
    const question = this.#rpc.state.questions.find((each) => nameOf(each) === answer.question);
    if (question === undefined) return;
    this.#rpc.set({ questions: this.#rpc.state.questions.filter((each) => each !== question) });
    if (answer.kind === 'exited') this.#rpc.reply(question.request, answer.exit);
    else {
      this.#rpc.reply(question.request, { output: answer.text, truncated: answer.truncated, exitStatus: answer.exit });
    }
  }

  #stop(request: RpcId, ref: string, how: 'kill' | 'release'): void {
    if (!this.#has(request, ref)) return;
    this.#rpc.out.terminals[how](ref);
    if (how === 'release') this.#rpc.set({ terminals: this.#rpc.state.terminals.filter((each) => each.ref !== ref) });
    this.#rpc.reply(request, {});
  }

  #has(request: RpcId, ref: string): boolean {
    const isThere = this.#rpc.state.terminals.some((each) => each.ref === ref && each.wanted === null);
    if (!isThere) this.#rpc.fail(request, NOT_FOUND, `No such terminal: ${cutText(ref, 100)}`);
    return isThere;
  }

  /** Returns the session of a terminal; also of a released one, because its output stays. */
  sessionOf(ref: string): string | undefined {
    const number = /^t([1-9]\d{0,8})$/.exec(ref)?.[1];
    return number === undefined || Number(number) > this.#rpc.state.terminalCount
      ? undefined
      : this.#rpc.out.terminals.sessionOf(ref);
  }

  /** Handles a cancelled request. The protocol demands an answer that says so. */
  cancelled(params: unknown): void {
    const read = AcpCancelRequest.safeParse(params);
    if (!read.success) return;
    const { requestId } = read.data;
    const { questions } = this.#rpc.state;
    const question = questions.find(({ request }) => request === requestId);
    if (question !== undefined) this.#rpc.set({ questions: questions.filter((each) => each !== question) });
    if (this.#rpc.withdraw(requestId) || question !== undefined) {
      this.#rpc.fail(requestId, CANCELLED, 'Request cancelled');
    }
  }

  terminal(answer: TerminalAnswer): void {
    if (answer.kind === 'created' || answer.kind === 'failed') this.#created(answer);
    else this.#answerQuestion(answer);
  }

  /** Repeats the unanswered requests, for a new gateway. */
  askAgain(): void {
    const { terminals } = this.#rpc.out;
    for (const { ref, wanted } of this.#rpc.state.terminals) if (wanted !== null) terminals.create(ref, wanted.spec);
    for (const question of this.#rpc.state.questions) this.#ask(question);
    // The other terminals must be known as well, to be ended with the turn. The answer is ignored.
    for (const { ref, wanted } of this.#rpc.state.terminals) if (wanted === null) terminals.waitForExit(ref, '');
  }
}

/** Names a question by its request. Ids of requests are numbers or strings, and 1 is not "1". */
const nameOf = ({ request }: TerminalQuestion): string => JSON.stringify(request);

/** Returns the options with a known kind, plus a deny option if the agent gives none. */
function optionsOf(options: z.output<typeof PermissionRequest>['options']): ApprovalOption[] {
  const known = options.flatMap(({ optionId, name, kind }) => {
    const ours = Object.hasOwn(OPTION_KINDS, kind) ? OPTION_KINDS[kind] : undefined;
    return ours === undefined ? [] : [{ id: optionId, label: name, kind: ours }];
  });
  const canDeny = known.some(({ kind }) => kind === 'deny_once' || kind === 'deny_always');
  return canDeny ? known : [...known, { id: DENY, label: 'Deny', kind: 'deny_once' }];
}
