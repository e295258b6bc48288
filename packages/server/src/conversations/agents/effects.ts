// The effects of an agent's calls, in order, until they are converted into events.

import type { ToolCall, Usage } from '@binnacle/protocol';
import { boundedUsage } from '../../store/usage.ts';
import type { AgentTerminals, DriverOut, ProcessOut, TurnEnd } from '../drivers/driver.ts';

export type ApprovalRequest = Parameters<DriverOut['approval']>[0];

export type Effect =
  | { readonly kind: 'delta'; readonly stream: 'said' | 'thought'; readonly text: string }
  | { readonly kind: 'replace'; readonly text: string }
  | { readonly kind: 'paragraph' }
  | { readonly kind: 'tool'; readonly call: ToolCall }
  | { readonly kind: 'agent'; readonly name: string; readonly data: unknown }
  | { readonly kind: 'usage'; readonly usage: Usage }
  | { readonly kind: 'approval'; readonly request: ApprovalRequest }
  | { readonly kind: 'withdraw'; readonly id: string }
  | { readonly kind: 'delivered'; readonly message: string }
  | { readonly kind: 'ended'; readonly end: TurnEnd };

/**
 * Collects effects. `reported` is called for each effect, for agents inside the gateway, whose calls have no definite end.
 */
export class Effects implements DriverOut {
  #list: Effect[] = [];
  #hasEnded = false;
  readonly #reported: () => void;

  constructor(reported: () => void = () => undefined) {
    this.#reported = reported;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** Returns the collected effects and clears the list. */
  take(): readonly Effect[] {
    const list = this.#list;
    this.#list = [];
    this.#hasEnded = false;
    return list;
  }

  delta(text: string, stream: 'said' | 'thought' = 'said'): void {
    if (text === '') return;
    const last = this.#list.at(-1);
    // Text of one read is merged into one event.
    if (last?.kind === 'delta' && last.stream === stream) {
      this.#list[this.#list.length - 1] = { ...last, text: last.text + text };
    } else this.#list.push({ kind: 'delta', stream, text });
    this.#reported();
  }

  replace(text: string): void {
    this.#add({ kind: 'replace', text });
  }

  paragraph(): void {
    this.#add({ kind: 'paragraph' });
  }

  tool(call: ToolCall): void {
    const last = this.#list.at(-1);
    // The last of several reports in one read counts, as long as the status is the same.
    if (last?.kind === 'tool' && last.call.id === call.id && last.call.status === call.status) {
      this.#list[this.#list.length - 1] = { kind: 'tool', call };
      this.#reported();
    } else this.#add({ kind: 'tool', call });
  }

  agent(name: string, data: unknown): void {
    this.#add({ kind: 'agent', name, data });
  }

  usage(reported: Usage): void {
    const usage = boundedUsage(reported);
    if (Object.keys(usage).length > 0) this.#add({ kind: 'usage', usage });
  }

  approval(request: ApprovalRequest): void {
    this.#add({ kind: 'approval', request });
  }

  withdraw(id: string): void {
    this.#add({ kind: 'withdraw', id });
  }

  delivered(message: string): void {
    this.#add({ kind: 'delivered', message });
  }

  ended(end: TurnEnd): void {
    this.#hasEnded = true;
    this.#add({ kind: 'ended', end });
  }

  #add(effect: Effect): void {
    this.#list.push(effect);
    this.#reported();
  }
}

/**
 * Collects the effects of a process. Lines to send and operations on terminals wait here until the effects are stored.
 */
export class ProcessEffects extends Effects implements ProcessOut {
  readonly terminals: AgentTerminals;
  sends: string[] = [];
  endsInput = false;
  operations: (() => void)[] = [];

  constructor(terminals: AgentTerminals) {
    super();
    const queue = (operation: () => void): void => {
      this.operations.push(operation);
    };
    this.terminals = {
      create: (...args) => queue(() => terminals.create(...args)),
      sessionOf: (ref) => terminals.sessionOf(ref),
      output: (...args) => queue(() => terminals.output(...args)),
      waitForExit: (...args) => queue(() => terminals.waitForExit(...args)),
      kill: (ref) => queue(() => terminals.kill(ref)),
      release: (ref) => queue(() => terminals.release(ref)),
    };
  }

  send(line: string): void {
    this.sends.push(line);
  }

  endInput(): void {
    this.endsInput = true;
  }
}
