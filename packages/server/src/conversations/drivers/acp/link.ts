// The link to one ACP agent, as a fold over its lines. Protocol: agentclientprotocol.com, version 1, over stdio.

import { BinnacleError } from '@binnacle/protocol';
import { VERSION } from '../../../base/version.ts';
import type { AgentLink, AgentSettings, ProcessOut, Prompt, TerminalAnswer, TurnEnd } from '../driver.ts';
import { type RpcError, type RpcMessage, readMessage } from '../json-rpc.ts';
import { oneMoreRefused } from '../refusal.ts';
import { cutText } from '../tool-text.ts';
import { Initialized, OpenedSession, Prompted, SessionUpdate } from './messages.ts';
import { AcpRequests } from './requests.ts';
import { type AcpMethod, type AcpState, FRESH_ACP_STATE, SETTLED } from './state.ts';
import { UPDATES } from './updates.ts';

/** Maximum invalid lines. Programs print warnings on stdout; more of them mean that the program does not speak ACP. */
const MAX_RUBBISH = 20;
const MAX_ERROR_CHARS = 500;
const AUTH_REQUIRED = -32000;
/** Length of quiet, in ms, that ends the replay of earlier messages: an agent sends them without pauses. */
const QUIET_MS = 500;
/** Maximum time, ms, for the answer to the SETTLED request. Agents answer it at once, or never. */
const SETTLED_MS = 5000;

export class AcpLink implements AgentLink {
  readonly #agent: AgentSettings;
  readonly #out: ProcessOut;
  readonly #cwd: string;
  readonly #requests: AcpRequests;
  #state: AcpState;

  constructor(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ) {
    this.#agent = agent;
    this.#out = out;
    this.#cwd = parts.cwd;
    // The state comes from an earlier link. A state of an older version lacks newer fields.
    this.#state = { ...FRESH_ACP_STATE, memory: parts.memory, ...parts.state };
    const state = (): AcpState => this.#state;
    this.#requests = new AcpRequests({
      get state() {
        return state();
      },
      out,
      cwd: parts.cwd,
      set: (change) => this.#set(change),
      reply: (id, result) => this.#send({ id, result }),
      refuse: (id, result) => this.#refuse({ id, result }),
      fail: (id, code, message) => this.#refuse({ id, error: { code, message } }),
    });
  }

  get state(): AcpState {
    return this.#state;
  }

  get isStarting(): boolean {
    const { turn } = this.#state;
    return turn !== null && turn.text !== null;
  }

  prompt({ id, text }: Prompt): void {
    this.#set({
      turn: { message: id, text, isCancelling: false },
      saying: null,
      tools: [],
      refused: 0,
      cost: { before: this.#state.cost.now, now: this.#state.cost.now },
    });
    this.#proceed();
  }

  get quietMs(): number | undefined {
    if (!this.#state.isSettling) return undefined;
    return this.#state.asked?.method === SETTLED ? SETTLED_MS : QUIET_MS;
  }

  quiet(): void {
    const { asked: pending, isSettling } = this.#state;
    if (!isSettling) return;
    this.#set({ isSettling: false, ...(pending?.method === SETTLED ? { asked: null } : {}) });
    this.#proceed();
  }

  interrupt(): void {
    const { turn, session } = this.#state;
    if (turn === null || turn.isCancelling) return;
    if (turn.text !== null || session === null) {
      // The prompt has not been sent. The start of the session continues, for the next turn.
      this.#end({ kind: 'cancelled' });
      return;
    }
    this.#set({ turn: { ...turn, isCancelling: true } });
    this.#notify('session/cancel', { sessionId: session });
    // The protocol demands that every pending request is answered as cancelled.
    this.#requests.denyAll();
  }

  answer(approval: string, option: string): void {
    this.#requests.answer(approval, option);
  }

  line(line: string): void {
    if (line.trim() === '') return;
    const message = readMessage(line);
    if (message === null) this.#rubbish(line);
    else if (message.kind === 'request') this.#requests.handle(message.id, message.method, message.params);
    else if (message.kind === 'notification') this.#notified(message.method, message.params, line);
    else this.#answered(message, line);
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
    const { asked: pending, agent, session, isSettling, isReady, modelOption, turn } = this.#state;
    if (pending !== null || isSettling || turn === null || turn.text === null) return;
    if (agent === null) this.#greet();
    else if (session === null) this.#open(agent);
    else if (!isReady && modelOption !== null) {
      const params = { sessionId: session, configId: modelOption, value: this.#agent.model };
      this.#ask('session/set_config_option', params);
    } else this.#say(session, turn.text);
  }

  #greet(): void {
    this.#ask('initialize', {
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
    if (this.#state.memory !== null && (resumes || loads)) {
      this.#openAgain(resumes ? 'session/resume' : 'session/load', this.#state.memory);
      return;
    }
    if (this.#state.memory !== null)
      this.#note('This agent cannot go on with an earlier session. It remembers nothing.');
    this.#openNew();
  }

  #openAgain(method: 'session/resume' | 'session/load', sessionId: string): void {
    this.#ask(method, { sessionId, cwd: this.#cwd, mcpServers: [] });
  }

  #openNew(): void {
    this.#ask('session/new', { cwd: this.#cwd, mcpServers: [] });
  }

  #say(session: string, text: string): void {
    const { turn, isInstructed } = this.#state;
    if (turn === null) return;
    const { instructions } = this.#agent;
    const before = isInstructed || instructions === undefined ? [] : [{ type: 'text', text: instructions }];
    this.#set({ turn: { ...turn, text: null }, isInstructed: true });
    this.#ask('session/prompt', { sessionId: session, prompt: [...before, { type: 'text', text }] });
  }

  // ---- Answers of the agent

  #answered(message: Extract<RpcMessage, { kind: 'result' | 'error' }>, line: string): void {
    const { asked: pending } = this.#state;
    // An answer to none of the requests.
    if (pending === null || message.id !== pending.id) return;
    this.#set({ asked: null });
    // Any answer will do: it arrives after all earlier output.
    if (pending.method === SETTLED) return;
    if (message.kind === 'error') {
      this.#refused(pending.method, message.error);
      return;
    }
    const isRead = this.#accepted(pending.method, message.result);
    if (!isRead) {
      throw new BinnacleError('agent_protocol', {
        message: `The agent's answer to ${pending.method} cannot be read: ${cutText(line, 200)}`,
      });
    }
    this.#proceed();
  }

  #accepted(method: Exclude<AcpMethod, typeof SETTLED>, result: unknown): boolean {
    if (method === 'initialize') return this.#initialized(result);
    if (method === 'session/prompt') return this.#prompted(result);
    if (method === 'session/set_config_option') {
      this.#set({ isReady: true });
      return true;
    }
    return this.#opened(method, result);
  }

  #initialized(result: unknown): boolean {
    const read = Initialized.safeParse(result);
    if (!read.success) return false;
    const { protocolVersion, agentCapabilities, authMethods } = read.data;
    if (protocolVersion !== 1) {
      this.#end({
        kind: 'failed',
        message: `The agent speaks version ${protocolVersion} of ACP; this is version 1.`,
        hint: 'Install a version of the agent that speaks version 1.',
      });
      return true;
    }
    this.#set({
      agent: {
        loads: agentCapabilities?.loadSession ?? false,
        resumes: agentCapabilities?.sessionCapabilities?.resume ?? false,
        logins: (authMethods ?? []).slice(0, 8).map((login) => cutText(login.description ?? login.name, 200)),
      },
    });
    return true;
  }

  #opened(method: AcpMethod, result: unknown): boolean {
    // For an existing session some agents answer null.
    const read = OpenedSession.safeParse(result ?? {});
    if (!read.success) return false;
    const isNew = method === 'session/new';
    const session = isNew ? read.data.sessionId : this.#state.memory;
    if (session === undefined || session === null) return false;
    const model = this.#agent.model;
    const option = read.data.configOptions?.find(({ id, category }) => category === 'model' || id === 'model');
    if (model !== undefined && option === undefined) {
      this.#note('This agent offers no choice of models; "model" of the config file has no effect.');
    }
    const mustChoose = model !== undefined && option !== undefined && option.currentValue !== model;
    this.#set({
      session,
      isReady: !mustChoose,
      modelOption: mustChoose ? option.id : null,
      isInstructed: !isNew,
      cost: isNew ? { before: 0, now: 0 } : { before: null, now: null },
      isSettling: method === 'session/load',
    });
    // Some agents answer first, and replay the earlier messages afterwards.
    if (method === 'session/load') this.#ask(SETTLED, {});
    return true;
  }

  #prompted(result: unknown): boolean {
    const read = Prompted.safeParse(result);
    if (!read.success) return false;
    const { stopReason, usage } = read.data;
    if (usage !== undefined) {
      const { inputTokens, outputTokens } = usage;
      this.#out.usage({
        ...(inputTokens === undefined ? {} : { inputTokens }),
        ...(outputTokens === undefined ? {} : { outputTokens }),
      });
    }
    const isOurs = stopReason === 'cancelled' && this.#state.turn?.isCancelling === true;
    this.#end(isOurs ? { kind: 'cancelled' } : { kind: 'done', stopReason });
    return true;
  }

  #refused(method: Exclude<AcpMethod, typeof SETTLED>, error: RpcError): void {
    const { turn, agent, memory } = this.#state;
    // Some agents load a session that they cannot resume.
    if (method === 'session/resume' && agent?.loads === true && memory !== null) {
      this.#openAgain('session/load', memory);
      return;
    }
    if (method === 'session/load' || method === 'session/resume') {
      this.#note(`The agent could not go on with its earlier session: ${errorText(error)}. It remembers nothing.`);
      this.#openNew();
      return;
    }
    // The next prompt opens a session and chooses the model again.
    if (method === 'session/set_config_option') this.#set({ session: null });
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

  #notified(method: string, params: unknown, line: string): void {
    if (method === '$/cancel_request') this.#requests.cancelled(params);
    if (method !== 'session/update') return;
    const read = SessionUpdate.safeParse(params);
    if (!read.success) {
      this.#rubbish(line);
      return;
    }
    // An agent that loads a session replays all earlier messages, until the session is open and for a moment after
    // that.
    const { session, isSettling } = this.#state;
    if (session === null || isSettling || read.data.sessionId !== session) return;
    const row = Object.hasOwn(UPDATES, read.data.update.sessionUpdate)
      ? UPDATES[read.data.update.sessionUpdate]
      : undefined;
    if (row === undefined) return;
    const next = row(read.data.update, {
      state: this.#state,
      out: this.#out,
      sessionOf: (ref) => this.#requests.sessionOf(ref),
    });
    if (next === undefined) this.#rubbish(line);
    else this.#state = next;
  }

  #rubbish(line: string): void {
    const rubbish = this.#state.rubbish + 1;
    if (rubbish > MAX_RUBBISH) {
      throw new BinnacleError('agent_protocol', {
        message: `The agent keeps printing what is not ACP: ${cutText(line, 200)}`,
        hint: 'Check its command: is it the one that speaks ACP, e.g. ["opencode", "acp"] or ["gemini", "--acp"]?',
      });
    }
    this.#set({ rubbish });
    this.#note(`The agent printed what is not ACP: ${cutText(line, 200)}`);
  }

  // ---- Common parts

  #end(end: TurnEnd): void {
    if (this.#state.turn === null) return;
    this.#requests.denyAll();
    this.#set({ turn: null, tools: [], saying: null });
    this.#out.ended(end);
  }

  #note(text: string): void {
    this.#out.agent('note', { text });
  }

  #ask(method: AcpMethod, params: object): void {
    const id = this.#state.nextId;
    this.#set({ nextId: id + 1, asked: { id, method } });
    this.#send({ id, method, params });
  }

  #refuse(answer: object): void {
    this.#set({ refused: oneMoreRefused(this.#state.refused) });
    this.#send(answer);
  }

  #notify(method: string, params: object): void {
    this.#send({ method, params });
  }

  #send(message: object): void {
    this.#out.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  #set(change: Partial<AcpState>): void {
    this.#state = { ...this.#state, ...change };
  }
}

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
  return cutText(more === undefined ? message : `${message}: ${more}`, MAX_ERROR_CHARS);
}
