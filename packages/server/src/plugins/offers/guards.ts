// Hooks in the interfaces that their callers declare, for tool calls and sessions.

import type { Hooks } from './hooks.ts';

interface HookedToolUse {
  readonly tool: string;
  readonly input: unknown;
  readonly caller: string;
  readonly via: 'mcp' | 'driver';
}
interface SessionInput {
  readonly session: string;
  readonly text: string;
  readonly by: string;
}
interface EndedSession {
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

  before(use: HookedToolUse): Promise<void> | undefined {
    return this.#hooks.has('beforeToolCall') ? this.#hooks.request('beforeToolCall', { ...use }) : undefined;
  }

  get after():
    | ((use: HookedToolUse, outcome: { readonly isError: boolean; readonly output: string }) => void)
    | undefined {
    if (!this.#hooks.has('afterToolCall')) return undefined;
    return (use, outcome) => this.#hooks.notify('afterToolCall', { ...use, ...outcome });
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

  before(input: SessionInput): Promise<void> {
    return this.#hooks.request('beforeInput', input);
  }

  after(input: SessionInput): void {
    this.#hooks.notify('afterInput', input);
  }

  ended(session: EndedSession): void {
    if (this.#hooks.has('sessionEnd')) this.#hooks.notify('sessionEnd', session);
  }
}
