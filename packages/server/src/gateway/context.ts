// What every part of a gateway is built with, and how all of them are let go of again.

import type { Logger } from 'pino';
import type { GatewaySettings } from './options.ts';

export interface GatewayContext {
  /** The data directory. */
  readonly dir: string;
  readonly log: Logger;
  readonly settings: GatewaySettings;
  readonly teardown: Teardown;
}

/** Steps that let go of what was built, the newest first. */
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
