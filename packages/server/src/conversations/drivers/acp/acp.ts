// The driver `acp`: any agent that speaks the Agent Client Protocol over its stdin and stdout.

import { BinnacleError, defined } from '@binnacle/protocol';
import { z } from 'zod';
import { VERSION } from '../../../base/version.ts';
import { required, rowOf } from '../agent-json.ts';
import type {
  AgentLink,
  AgentSettings,
  ProcessDriver,
  ProcessOut,
  Prompt,
  TerminalAnswer,
  TurnEnd,
} from '../driver.ts';
import { jsonRpc, type RpcError, type RpcRequest } from '../json-rpc.ts';
import { JsonRpcLink, type RpcDialect } from '../json-rpc-link.ts';
import { cutError, cutText } from '../tool-text.ts';
import { Initialized, OpenedSession, Prompted, SessionUpdate } from './messages.ts';
import { AcpRequests, CANCELLED_OUTCOME, outcomeOf } from './requests.ts';
import { type AcpCall, type AcpRpc, type AcpState, FRESH_ACP_STATE, restoredAcp, SETTLED } from './state.ts';
import { UPDATES } from './updates.ts';

export const acpDriver: ProcessDriver = {
  name: 'acp',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  // Version 1 of the protocol cannot inject a message into a turn.
  steer: ['queue', 'interrupt'],
  approvals: true,
  launch(agent) {
    const { command } = agent;
    if (command === undefined || command.length === 0) {
      throw new BinnacleError('bad_request', {
        message: `The agent "${agent.id}" has the driver "acp" and no command.`,
        hint: 'Add the program that speaks ACP, e.g. "command": ["opencode", "acp"] or ["gemini", "--acp"].',
      });
    }
    return { argv: command };
  },
  link: (agent, out, parts) => new AcpLink(agent, out, parts),
  memoryOf(state) {
    // The state of an earlier link.
    const { session, agent } = state as Partial<AcpState>;
    if (session === undefined || session === null || agent === undefined || agent === null) return null;
    return agent.loads || agent.resumes ? session : null;
  },
};

const AUTH_REQUIRED = -32000;
/** Length of quiet, in ms, that ends the replay of earlier messages: an agent sends them without pauses. */
const QUIET_MS = 500;
/** Maximum time, ms, for the answer to the SETTLED request. Agents answer it at once, or never. */
const SETTLED_MS = 5000;

class AcpLink implements AgentLink, RpcDialect<AcpState> {
  readonly codec = jsonRpc({ jsonrpc: '2.0' });
  readonly maxApprovals = 32;
  /** Nothing is stored for an answer. */
  readonly maxApprovalBytes = 0;
  readonly #agent: AgentSettings;
  readonly #cwd: string;
  readonly #rpc: AcpRpc;
  readonly #requests: AcpRequests;

  constructor(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ) {
    this.#agent = agent;
    this.#cwd = parts.cwd;
    // A state of an older version lacks newer fields.
    const state = { ...FRESH_ACP_STATE, memory: parts.memory, ...restoredAcp(parts.state) };
    this.#rpc = new JsonRpcLink<AcpState>(out, state, this);
    this.#requests = new AcpRequests(this.#rpc, parts.cwd);
  }

  get state(): AcpState {
    return this.#rpc.state;
  }

  get isStarting(): boolean {
    const { turn } = this.state;
    return turn !== null && turn.text !== null;
  }

  prompt({ id, text }: Prompt): void {
    this.#rpc.set({
      turn: { message: id, text, isCancelling: false },
      saying: null,
      tools: [],
      refused: 0,
      cost: { before: this.state.cost.now, now: this.state.cost.now },
    });
    this.#proceed();
  }

  get quietMs(): number | undefined {
    if (!this.state.isSettling) return undefined;
    return this.state.pending.some(isSettled) ? SETTLED_MS : QUIET_MS;
  }

  quiet(): void {
    const { pending, isSettling } = this.state;
    if (!isSettling) return;
    this.#rpc.set({ isSettling: false, pending: pending.filter((call) => !isSettled(call)) });
    this.#proceed();
  }

  interrupt(): void {
    const { turn, session } = this.state;
    if (turn === null || turn.isCancelling) return;
    if (turn.text !== null || session === null) {
      // The prompt has not been sent. The start of the session continues, for the next turn.
      this.#end({ kind: 'cancelled' });
      return;
    }
    this.#rpc.setTurn({ isCancelling: true });
    this.#rpc.notify('session/cancel', { sessionId: session });
    // The protocol demands that every pending request is answered as cancelled.
    this.#rpc.denyAll(CANCELLED_OUTCOME);
  }

  answer(approval: string, option: string): void {
    this.#rpc.answer(approval, option);
  }

  line(line: string): void {
    this.#rpc.line(line);
  }

  terminal(answer: TerminalAnswer): void {
    this.#requests.terminal(answer);
  }

  resumed(): void {
    this.#requests.askAgain();
  }

  // ---- Requests to the agent

  /** Sends the next request on the way to the waiting prompt. */
  #proceed(): void {
    const { pending, agent, session, isSettling, isReady, modelOption, turn } = this.state;
    if (pending.length > 0 || isSettling || turn === null || turn.text === null) return;
    if (agent === null) this.#greet();
    else if (session === null) this.#open(agent);
    else if (!isReady && modelOption !== null) {
      const params = { sessionId: session, configId: modelOption, value: this.#agent.model };
      this.#rpc.call('session/set_config_option', params);
    } else this.#say(session, turn.text);
  }

  #greet(): void {
    this.#rpc.call('initialize', {
      protocolVersion: 1,
      clientCapabilities: {
        // Agents can access the same files directly. Access through the gateway would be slower, could not read binary
        // files, and would store every byte in two logs; editors offer it for unsaved buffers, which the gateway does
        // not have.
        fs: { readTextFile: false, writeTextFile: false },
        // A terminal of the gateway is a session, which people can watch and steer.
        terminal: true,
        session: { notices: {} },
      },
      clientInfo: { name: 'binnacle', title: 'Binnacle', version: VERSION },
    });
  }

  #open({ loads, resumes }: NonNullable<AcpState['agent']>): void {
    // Resuming is loading without the replay of earlier messages.
    if (this.state.memory !== null && (resumes || loads)) {
      this.#openAgain(resumes ? 'session/resume' : 'session/load', this.state.memory);
      return;
    }
    if (this.state.memory !== null)
      this.#rpc.note('This agent cannot go on with an earlier session. It remembers nothing.');
    this.#openNew();
  }

  #openAgain(method: 'session/resume' | 'session/load', sessionId: string): void {
    this.#rpc.call(method, { sessionId, cwd: this.#cwd, mcpServers: [] });
  }

  #openNew(): void {
    this.#rpc.call('session/new', { cwd: this.#cwd, mcpServers: [] });
  }

  #say(session: string, text: string): void {
    const { instructions } = this.#agent;
    const before = this.state.isInstructed || instructions === undefined ? [] : [{ type: 'text', text: instructions }];
    this.#rpc.set({ isInstructed: true });
    this.#rpc.setTurn({ text: null });
    this.#rpc.call('session/prompt', { sessionId: session, prompt: [...before, { type: 'text', text }] });
  }

  // ---- Answers of the agent

  result({ method }: AcpCall, result: unknown, line: string): void {
    const unreadable = `The agent's answer to ${method} cannot be read: ${cutText(line, 200)}`;
    switch (method) {
      case SETTLED:
        // Any answer will do: it arrives after all earlier output.
        return;
      case 'initialize':
        this.#initialized(required(Initialized, result, unreadable));
        break;
      case 'session/prompt':
        this.#prompted(required(Prompted, result, unreadable));
        break;
      case 'session/set_config_option':
        this.#rpc.set({ isReady: true });
        break;
      default: {
        // For an existing session some agents answer null.
        const opened = required(OpenedSession, result ?? {}, unreadable);
        const session = method === 'session/new' ? opened.sessionId : this.state.memory;
        this.#opened(method, required(z.string(), session, unreadable), opened.configOptions);
      }
    }
    this.#proceed();
  }

  #initialized({ protocolVersion, agentCapabilities, authMethods }: z.output<typeof Initialized>): void {
    if (protocolVersion !== 1) {
      this.#end({
        kind: 'failed',
        message: `The agent speaks version ${protocolVersion} of ACP; this is version 1.`,
        hint: 'Install a version of the agent that speaks version 1.',
      });
      return;
    }
    this.#rpc.set({
      agent: {
        loads: agentCapabilities?.loadSession ?? false,
        resumes: agentCapabilities?.sessionCapabilities?.resume ?? false,
        logins: (authMethods ?? []).slice(0, 8).map((login) => cutText(login.description ?? login.name, 200)),
      },
    });
  }

  #opened(method: AcpCall['method'], session: string, options: z.output<typeof OpenedSession>['configOptions']): void {
    const isNew = method === 'session/new';
    const model = this.#agent.model;
    const option = options?.find(({ id, category }) => category === 'model' || id === 'model');
    if (model !== undefined && option === undefined) {
      this.#rpc.note('This agent offers no choice of models; "model" of the config file has no effect.');
    }
    const mustChoose = model !== undefined && option !== undefined && option.currentValue !== model;
    this.#rpc.set({
      session,
      isReady: !mustChoose,
      modelOption: mustChoose ? option.id : null,
      isInstructed: !isNew,
      cost: isNew ? { before: 0, now: 0 } : { before: null, now: null },
      isSettling: method === 'session/load',
    });
    // Some agents answer first, and replay the earlier messages afterwards.
    if (method === 'session/load') this.#rpc.call(SETTLED, {});
  }

  #prompted({ stopReason, usage }: z.output<typeof Prompted>): void {
    if (usage !== undefined) {
      const { inputTokens, outputTokens } = usage;
      this.#rpc.out.usage({ ...defined({ inputTokens, outputTokens }) });
    }
    const isOurs = stopReason === 'cancelled' && this.state.turn?.isCancelling === true;
    this.#end(isOurs ? { kind: 'cancelled' } : { kind: 'done', stopReason });
  }

  error({ method }: AcpCall, error: RpcError): void {
    // The usual answer.
    if (method === SETTLED) return;
    const { turn, agent, memory } = this.state;
    // Some agents load a session that they cannot resume.
    if (method === 'session/resume' && agent?.loads === true && memory !== null) {
      this.#openAgain('session/load', memory);
      return;
    }
    if (method === 'session/load' || method === 'session/resume') {
      this.#rpc.note(`The agent could not go on with its earlier session: ${errorText(error)}. It remembers nothing.`);
      this.#openNew();
      return;
    }
    // The next prompt opens a session and chooses the model again.
    if (method === 'session/set_config_option') this.#rpc.set({ session: null });
    if (method === 'session/prompt' && turn?.isCancelling === true) {
      // The agent should answer `cancelled`; an error caused by the cancellation means the same.
      this.#end({ kind: 'cancelled' });
      return;
    }
    if (error.code === AUTH_REQUIRED) {
      const logins = agent?.logins ?? [];
      this.#end({
        kind: 'failed',
        message: `The agent wants you to log in first: ${errorText(error)}`,
        hint:
          logins.length === 0
            ? "Log in with the agent's own program, on this machine."
            : `It offers: ${logins.join(' · ')}`,
      });
      return;
    }
    const what =
      method === 'session/set_config_option' ? `does not take the model "${this.#agent.model}"` : `failed (${method})`;
    this.#end({ kind: 'failed', message: `The agent ${what}: ${errorText(error)}` });
  }

  // ---- Notifications of the agent

  notification(method: string, params: unknown, line: string): void {
    if (method === '$/cancel_request') this.#requests.cancelled(params);
    if (method !== 'session/update') return;
    const read = SessionUpdate.safeParse(params);
    if (!read.success) {
      this.#rpc.rubbish(line);
      return;
    }
    // An agent that loads a session replays all earlier messages, until the session is open and for a moment after
    // that.
    const { state, out } = this.#rpc;
    if (state.session === null || state.isSettling || read.data.sessionId !== state.session) return;
    const { update } = read.data;
    const row = rowOf(UPDATES, update.sessionUpdate);
    if (row === undefined) return;
    const next = row(update, { state, out, sessionOf: (ref) => this.#requests.sessionOf(ref) });
    if (next === undefined) this.#rpc.rubbish(line);
    else if (next !== state) this.#rpc.set(next);
  }

  request(request: RpcRequest): void {
    this.#requests.handle(request);
  }

  answerOf(_approval: unknown, option: string): object {
    return outcomeOf(option);
  }

  rubbishError(line: string): { readonly message: string; readonly hint: string } {
    return {
      message: `The agent keeps printing what is not ACP: ${cutText(line, 200)}`,
      hint: 'Check its command: is it the one that speaks ACP, e.g. ["opencode", "acp"] or ["gemini", "--acp"]?',
    };
  }

  rubbish(line: string): void {
    this.#rpc.note(`The agent printed what is not ACP: ${cutText(line, 200)}`);
  }

  #end(end: TurnEnd): void {
    if (this.state.turn === null) return;
    this.#rpc.denyAll(CANCELLED_OUTCOME);
    this.#rpc.end(end, { tools: [], saying: null });
  }
}

const isSettled = ({ method }: AcpCall): boolean => method === SETTLED;

/** Returns the error as text. Agents put "Internal error" into the message and the actual error into the data. */
function errorText({ message, data }: RpcError): string {
  const more =
    typeof data === 'object' && data !== null
      ? ['message', 'details', 'error']
          .map((name) => (data as Record<string, unknown>)[name])
          .find((word) => typeof word === 'string')
      : typeof data === 'string'
        ? data
        : undefined;
  return cutError(more === undefined ? message : `${message}: ${more}`);
}
