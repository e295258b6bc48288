// Hooks in the interfaces that their callers declare, for tool calls and sessions.

import type { Hooks } from './hooks.ts';

interface Use {
  readonly tool: string;
  readonly input: unknown;
  readonly caller: string;
  readonly via: 'mcp' | 'driver';
}
interface Input {
  readonly session: string;
  readonly text: string;
  readonly by: string;
}
interface Ended {
  readonly session: string;
  readonly name: string;
  readonly state: 'closed' | 'lost';
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Hooks around each call of a tool of the gateway. */
export class ToolHooks {
  readonly #hooks: Hooks;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  before(use: Use): Promise<void> | undefined {
    return this.#hooks.has('beforeToolCall') ? this.#hooks.ask('beforeToolCall', { ...use }) : undefined;
  }

  get after(): ((use: Use, outcome: { readonly isError: boolean; readonly output: string }) => void) | undefined {
    if (!this.#hooks.has('afterToolCall')) return undefined;
    return (use, outcome) => this.#hooks.tell('afterToolCall', { ...use, ...outcome });
  }
}

/** Hooks around input to sessions, and at their end. */
export class SessionHooks {
  readonly #hooks: Hooks;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  get judgesInput(): boolean {
    return this.#hooks.has('beforeInput');
  }

  get observesInput(): boolean {
    return this.#hooks.has('afterInput');
  }

  before(input: Input): Promise<void> {
    return this.#hooks.ask('beforeInput', input);
  }

  after(input: Input): void {
    this.#hooks.tell('afterInput', input);
  }

  ended(session: Ended): void {
    if (this.#hooks.has('sessionEnd')) this.#hooks.tell('sessionEnd', session);
  }
}
