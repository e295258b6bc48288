// The connection to one agent, as a fold over its lines: calls with their answers, requests of the agent, and approvals.
// Has no timer and does no I/O, because its state must continue in another gateway; see AgentLink.

import { BinnacleError, defined } from '@binnacle/protocol';
import type { DriverOut, ProcessOut, TurnEnd } from './driver.ts';
import type { RpcCodec, RpcError, RpcId, RpcRequest } from './json-rpc.ts';

/**
 * Maximum invalid lines. Programs print warnings on stdout; more of them mean that the program does not speak the
 * protocol.
 */
const MAX_RUBBISH = 20;
/**
 * Maximum refusals per turn. A refusal costs a log entry and a line on the agent's stdin, a request costs the agent only
 * some bytes: an agent that ignores so many of them is stuck in a loop.
 */
const MAX_REFUSED = 1000;

/** A call to the agent. `message`: the message that it injects or takes back. */
export interface RpcCall {
  readonly id: number;
  readonly method: string;
  readonly message?: string;
}

/** A request that waits for a person. */
export interface RpcApproval {
  readonly id: string;
  readonly request: RpcId;
  /** Bytes, as JSON, of what is stored for the answer. Default 0. */
  readonly bytes?: number;
}

/** The part of a link's state that the connection uses. Immutable: each change makes a new object. */
export interface RpcState {
  readonly nextId: number;
  /** Calls without an answer. */
  readonly pending: readonly RpcCall[];
  readonly approvals: readonly RpcApproval[];
  readonly turn: { readonly isCancelling: boolean } | null;
  /** Requests of this turn that were refused. */
  readonly refused: number;
  readonly rubbish: number;
}

export const FRESH_RPC_STATE = { nextId: 1, pending: [], approvals: [], turn: null, refused: 0, rubbish: 0 } as const;

/** State of an agent, as its driver knows it. */
export interface RpcDialect<S extends RpcState> {
  readonly codec: RpcCodec;
  /** Maximum approvals that wait, and maximum bytes of all of them. */
  readonly maxApprovals: number;
  readonly maxApprovalBytes: number;
  result(call: S['pending'][number], result: unknown, line: string): void;
  /** Default: an error ends the call, and nothing else. */
  error?(call: S['pending'][number], error: RpcError): void;
  request(request: RpcRequest): void;
  notification(method: string, params: unknown, line: string): void;
  /** Returns the answer of the protocol to an approval; undefined for an option that was not offered. */
  answerOf(approval: S['approvals'][number], option: string): object | undefined;
  /** Returns the error after too many invalid lines. */
  rubbishError(line: string): { readonly message: string; readonly hint?: string };
  /** Called for each other invalid line. */
  rubbish?(line: string): void;
}

type ShownApproval = Omit<Parameters<DriverOut['approval']>[0], 'id'>;

export class JsonRpcLink<S extends RpcState> {
  readonly out: ProcessOut;
  readonly #dialect: RpcDialect<S>;
  #state: S;

  constructor(out: ProcessOut, state: S, dialect: RpcDialect<S>) {
    this.out = out;
    this.#dialect = dialect;
    this.#state = state;
  }

  get state(): S {
    return this.#state;
  }

  set(change: Partial<S> | Partial<RpcState>): void {
    this.#state = { ...this.#state, ...change };
  }

  setTurn(change: Partial<NonNullable<S['turn']>>): void {
    const { turn } = this.#state;
    if (turn !== null) this.set({ turn: { ...turn, ...change } });
  }

  /** Ends the turn. Its approvals have no use any more. */
  end(end: TurnEnd, change: Partial<S> = {}): void {
    this.set(change);
    this.set({ turn: null, approvals: [] });
    this.out.ended(end);
  }

  note(text: string): void {
    this.out.agent('note', { text });
  }

  line(line: string): void {
    const message = this.#dialect.codec.read(line);
    if (message === null) this.rubbish(line);
    else if (message.kind === 'request') this.#dialect.request(message);
    else if (message.kind === 'notification') this.#dialect.notification(message.method, message.params, line);
    else {
      const { pending } = this.#state;
      const call = pending.find(({ id }) => id === message.id);
      // An answer to none of the calls.
      if (call === undefined) return;
      this.set({ pending: pending.filter((one) => one !== call) });
      if (message.kind === 'error') this.#dialect.error?.(call, message.error);
      else this.#dialect.result(call, message.result, line);
    }
  }

  /** Counts an invalid line. Throws `agent_protocol` after too many of them. */
  rubbish(line: string): void {
    if (line.trim() === '') return;
    const rubbish = this.#state.rubbish + 1;
    this.set({ rubbish });
    if (rubbish > MAX_RUBBISH) throw new BinnacleError('agent_protocol', this.#dialect.rubbishError(line));
    this.#dialect.rubbish?.(line);
  }

  // ---- Calls to the agent

  call(method: S['pending'][number]['method'], params: object, message?: string): void {
    const { nextId: id, pending } = this.#state;
    const call = { id, method, ...defined({ message }) };
    this.set({ nextId: id + 1, pending: [...pending, call] });
    this.#send(this.#dialect.codec.call(id, method, params));
  }

  notify(method: string, params?: object): void {
    this.#send(this.#dialect.codec.notification(method, params));
  }

  // ---- Answers to the agent

  reply(request: RpcId, result: object): void {
    this.#send(this.#dialect.codec.result(request, result));
  }

  /** Answers a request without a person. Throws `agent_flood` after too many refusals in this turn. */
  refuse(request: RpcId, result: object): void {
    this.#refused();
    this.reply(request, result);
  }

  /** Answers a request with an error. Throws `agent_flood` after too many refusals in this turn. */
  fail(request: RpcId, code: number, message: string): void {
    this.#refused();
    this.#send(this.#dialect.codec.error(request, { code, message }));
  }

  #refused(): void {
    const { refused } = this.#state;
    if (refused >= MAX_REFUSED) {
      const message = `The agent keeps asking for what it cannot have: ${MAX_REFUSED} times in this turn.`;
      throw new BinnacleError('agent_flood', { message });
    }
    this.set({ refused: refused + 1 });
  }

  // ---- Approvals

  /** Returns whether one more approval can wait for a person. A repeated request replaces the earlier one. */
  canAsk(id: string, bytes = 0): boolean {
    const { turn } = this.#state;
    const { maxApprovals, maxApprovalBytes } = this.#dialect;
    const others = this.#others(id);
    const allBytes = others.reduce((sum, one) => sum + (one.bytes ?? 0), bytes);
    return turn !== null && !turn.isCancelling && others.length < maxApprovals && allBytes <= maxApprovalBytes;
  }

  ask(approval: S['approvals'][number], shown: ShownApproval): void {
    this.set({ approvals: [...this.#others(approval.id), approval] });
    this.out.approval({ id: approval.id, ...shown });
  }

  answer(id: string, option: string): void {
    const approval = this.#state.approvals.find((one) => one.id === id);
    const result = approval === undefined ? undefined : this.#dialect.answerOf(approval, option);
    if (approval === undefined || result === undefined) return;
    this.set({ approvals: this.#others(id) });
    this.reply(approval.request, result);
  }

  /** Withdraws an approval whose answer the agent no longer needs. Returns false if none waits for that request. */
  withdraw(request: RpcId): boolean {
    const approval = this.#state.approvals.find((one) => one.request === request);
    if (approval === undefined) return false;
    this.set({ approvals: this.#others(approval.id) });
    this.out.withdraw(approval.id);
    return true;
  }

  /** Withdraws all approvals, and answers each of them. */
  denyAll(result: object): void {
    for (const { request } of this.#state.approvals) if (this.withdraw(request)) this.reply(request, result);
  }

  #others(id: string): readonly RpcApproval[] {
    return this.#state.approvals.filter((one) => one.id !== id);
  }

  #send(message: object): void {
    this.out.send(JSON.stringify(message));
  }
}
