// The context from which every part of a gateway is built, and the teardown of all parts.

import type { Logger } from 'pino';
import type { GatewaySettings } from './options.ts';

export interface GatewayContext {
  /** The data directory. */
  readonly dir: string;
  readonly log: Logger;
  readonly settings: GatewaySettings;
  readonly teardown: Teardown;
}

/** Teardown steps, run in reverse order of construction. */
export class Teardown {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #isRunning = false;

  get isRunning(): boolean {
    return this.#isRunning;
  }

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Runs each step once, one after the other. */
  async run(): Promise<void> {
    this.#isRunning = true;
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}
