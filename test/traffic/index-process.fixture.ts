// Searches that go on while something is done to the process of the index, or to the gateway. Knows no assertion.

import { readdirSync, readFileSync } from 'node:fs';
import type { GatewayAccess } from '../support/gateway-access.ts';

/** Finds the pid of the process that keeps the index of a gateway. */
export function indexPidOf(gateway: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const isIndex = readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('search-index.mjs');
      if (isIndex && readFileSync(`/proc/${name}/status`, 'utf8').includes(`PPid:\t${gateway}\n`)) return Number(name);
    } catch {
      // The process has just ended.
    }
  }
  return undefined;
}

/** True while it is there and no zombie. */
export function isThere(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** A program that writes without end, in bursts of some MB. */
export const startFlood = (gateway: GatewayAccess): Promise<unknown> =>
  gateway.create({ command: `while :; do seq 1 100000 | sed 's/^/needle in line /'; sleep 0.1; done`, mode: 'pipe' });

/** Between an answer and the next search. */
const PAUSE_MS = 25;

export class Searchers {
  readonly #gateway: GatewayAccess;
  readonly #token: string;
  readonly #running: Promise<void>[] = [];
  #isStopped = false;
  /** How often each was answered: a status, or a code. */
  readonly answers = new Map<string, number>();

  private constructor(gateway: GatewayAccess, token: string) {
    this.#gateway = gateway;
    this.#token = token;
  }

  /** `count` of them with a token that may only view, until `stop`. */
  static async start(gateway: GatewayAccess, count: number): Promise<Searchers> {
    const { token } = await gateway.tokenOf('view');
    const searchers = new Searchers(gateway, token);
    for (let i = 0; i < count; i += 1) searchers.#running.push(searchers.#search(i % 2 === 0 ? 'needle' : 'nee*'));
    return searchers;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #search(q: string): Promise<void> {
    while (!this.#isStopped) {
      const query = new URLSearchParams({ q }).toString();
      const { status, code } = await this.#gateway.ask(`/v1/search?${query}`, { token: this.#token });
      const answer = code ?? String(status);
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      // With several of them a search is under way most of the time. Without a pause they would test the machine.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
