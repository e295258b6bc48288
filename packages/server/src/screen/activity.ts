// What a terminal's session is doing, from what its program says of itself and from when it writes. A pure machine: its
// time comes from outside, and it knows no session. A driver that knows better (approvals, turns) goes before it.

import type { Mark } from './marks.ts';

export interface Activity {
  readonly state: 'waiting' | 'working' | 'idle';
  /** ms since 1970. */
  readonly since: number;
  /** Of the notification that it waits with. */
  readonly text: string | null;
}

export type Happened =
  | { readonly kind: 'output' }
  /** Somebody typed. */
  | { readonly kind: 'typed' }
  | Mark;

/** A program that has written nothing for so long has done what it had to, or waits. */
export const QUIET_MS = 3000;
/** Writing on for so long behind a notification, it does not wait any more: less than that is its own drawing. */
const SETTLE_MS = 5000;

export class ActivityMachine {
  #now: Activity;
  /** Shells that mark their prompts say when they work, better than their output does. */
  #atPrompt: boolean | undefined;
  #wroteAt: number;
  #hasRung = false;
  #inProgress = false;

  constructor(at: number) {
    this.#now = { state: 'working', since: at, text: null };
    this.#wroteAt = at;
  }

  get now(): Activity {
    return this.#now;
  }

  /** When `pass` has something to say, if nothing happens before. */
  get quietAt(): number | undefined {
    return this.#now.state === 'working' && !this.#isBusy ? this.#wroteAt + QUIET_MS : undefined;
  }

  take(happened: Happened, at: number): void {
    switch (happened.kind) {
      case 'output':
        this.#wrote(at);
        return;
      case 'typed':
        this.#hasRung = false;
        if (this.#now.state === 'waiting') this.#become('working', at);
        this.#wroteAt = at;
        return;
      case 'notification':
        this.#become('waiting', at, happened.text);
        return;
      case 'bell':
        // Alone it says nothing: shells ring at a Tab. It counts when nothing follows.
        this.#hasRung = true;
        return;
      case 'prompt':
      case 'input':
      case 'ended':
        this.#atPrompt = happened.kind !== 'ended';
        this.#inProgress = false;
        if (this.#now.state !== 'waiting') this.#become('idle', at);
        return;
      case 'command':
        this.#atPrompt = false;
        this.#hasRung = false;
        this.#become('working', at);
        return;
      case 'progress':
        this.#inProgress = happened.state === 'set';
        if (happened.state === 'set') this.#become('working', at);
        else if (happened.state !== 'over') this.#become('waiting', at);
        return;
      case 'title':
        return;
    }
  }

  /** Time has gone by. */
  pass(at: number): void {
    if (this.quietAt === undefined || at < this.quietAt) return;
    this.#become(this.#hasRung ? 'waiting' : 'idle', this.quietAt);
    this.#hasRung = false;
  }

  get #isBusy(): boolean {
    return this.#inProgress;
  }

  #wrote(at: number): void {
    this.#wroteAt = at;
    // What comes at a prompt is the echo of what is typed.
    if (this.#atPrompt === true || this.#now.state === 'working') return;
    if (this.#now.state === 'waiting' && at - this.#now.since < SETTLE_MS) return;
    this.#become('working', at);
  }

  #become(state: Activity['state'], at: number, text: string | null = null): void {
    if (state === this.#now.state && text === this.#now.text) return;
    this.#now = { state, since: at, text };
  }
}
