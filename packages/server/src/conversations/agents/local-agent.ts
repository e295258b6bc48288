// An agent inside the gateway or behind HTTP. Its turns end with the gateway.

import { BinnacleError } from '@binnacle/protocol';
import type { AgentSettings, LocalDriver, LocalTurn, Prompt, TurnTools } from '../drivers/driver.ts';
import type { Agent, AgentEvents } from './agent.ts';
import { Effects } from './effects.ts';

export interface LocalAgentParts {
  readonly driver: LocalDriver;
  readonly settings: AgentSettings;
  readonly events: AgentEvents;
  /** Default: none. */
  readonly tools?: TurnTools;
  /** Returns the history before the message, and the author. */
  contextOf(prompt: Prompt): Pick<LocalTurn, 'history' | 'by'>;
}

const NO_TOOLS: TurnTools = { list: () => [], call: () => Promise.reject(new BinnacleError('not_found')) };

export class LocalAgent implements Agent {
  readonly session = null;
  readonly isStarting = false;
  readonly #parts: LocalAgentParts;
  #abort: AbortController | undefined;
  #answers = new Map<string, (option: string) => void>();

  constructor(parts: LocalAgentParts) {
    this.#parts = parts;
  }

  begin(prompt: Prompt): void {
    const { driver, settings, events, tools = NO_TOOLS, contextOf } = this.#parts;
    const abort = new AbortController();
    this.#abort = abort;
    this.#answers = new Map();
    const answers = this.#answers;
    const effects = new Effects(() => this.#pass(effects, abort));
    const turn: LocalTurn = {
      ...prompt,
      ...contextOf(prompt),
      tools,
      answerOf: (approval) => new Promise((resolve) => answers.set(approval, resolve)),
    };
    driver
      .run(settings, turn, effects, abort.signal)
      .catch((cause: unknown) => {
        if (abort.signal.aborted) return;
        const message = cause instanceof Error ? cause.message : 'The agent failed.';
        events.failed(cause instanceof BinnacleError ? cause : new BinnacleError('agent_failed', { message, cause }));
      })
      .finally(() => this.#finish(effects, abort));
  }

  inject(): void {
    // No local driver supports injection; the conversation never calls this.
  }

  interrupt(): void {
    this.#abort?.abort();
  }

  answer(approval: string, option: string): void {
    this.#answers.get(approval)?.(option);
  }

  async close(): Promise<void> {
    this.#abort?.abort();
  }

  #pass(effects: Effects, abort: AbortController): void {
    if (abort.signal.aborted || effects.isEmpty) return;
    const list = effects.take();
    try {
      this.#parts.events.commit(list);
    } catch (error) {
      // Text cannot wait for room on the disk; the failure of the turn can.
      abort.abort();
      this.#parts.events.failed(BinnacleError.of(error));
    }
  }

  #finish(effects: Effects, abort: AbortController): void {
    this.#pass(effects, abort);
    if (!abort.signal.aborted) {
      // If the driver has ended the turn itself, no turn is under way and this has no effect.
      this.#parts.events.failed(new BinnacleError('agent_failed', { message: 'The agent returned without an end.' }));
    }
    if (this.#abort !== abort) return;
    this.#abort = undefined;
    this.#parts.events.free();
  }
}
