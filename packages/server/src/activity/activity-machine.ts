// What a terminal's session is doing, from what its program says of itself and from when it writes. A pure machine: its
// time comes from outside, and it knows no session. A driver that knows better (approvals, turns) goes before it.

import type { Mark } from './marks.ts';

export interface Activity {
  readonly state: 'waiting' | 'working' | 'idle';
  /** ms since 1970. */
  readonly since: number;
  /** Of the notification, or the question, that it waits with. */
  readonly text: string | null;
}

export type Happened =
  | { readonly kind: 'output' }
  /** Somebody typed. */
  | { readonly kind: 'typed' }
  | Mark;

/** What the end of the output looks like, when nothing follows. */
export interface LastLine {
  /** What the program asks for, where it looks like a question. */
  readonly question: string | null;
  /** It moves the cursor about: a program that draws, and waits for keys. */
  readonly isDrawn: boolean;
}

export interface ActivityTimes {
  /** A program that has written nothing for so long has done what it had to, or waits. */
  readonly quietMs: number;
  /** Writing on for so long, it does not wait any more: less than that is its own drawing, of a resize for one. */
  readonly settleMs: number;
  /** What comes so soon behind a key is its echo, and no work. */
  readonly echoMs: number;
}

export const ACTIVITY_TIMES: ActivityTimes = { quietMs: 3000, settleMs: 5000, echoMs: 1000 };

export class ActivityMachine {
  readonly #times: ActivityTimes;
  #now: Activity;
  /** Shells that mark their prompts say when they work, better than their output does. */
  #atPrompt: boolean | undefined;
  #wroteAt: number;
  /** When the output began that has had no pause since. */
  #burstAt: number;
  /** When it called for somebody last: a wait may call again and again. */
  #calledAt = Number.NEGATIVE_INFINITY;
  #typedAt = Number.NEGATIVE_INFINITY;
  #hasRung = false;
  #inProgress = false;
  /** Somebody typed into the command that runs. */
  #isInteractive = false;
  /** Nothing came since it was quiet last. */
  #isSettled = false;

  constructor(at: number, times: ActivityTimes = ACTIVITY_TIMES) {
    this.#times = times;
    this.#now = { state: 'working', since: at, text: null };
    this.#wroteAt = at;
    this.#burstAt = at;
  }

  get now(): Activity {
    return this.#now;
  }

  /** When `pass` has something to say, if nothing happens before. */
  get quietAt(): number | undefined {
    const isOpen = !this.#isSettled && !this.#inProgress && this.#atPrompt !== true;
    return isOpen ? this.#wroteAt + this.#times.quietMs : undefined;
  }

  take(happened: Happened, at: number): void {
    switch (happened.kind) {
      case 'output':
        this.#wrote(at);
        return;
      case 'typed':
        this.#typed(at);
        return;
      case 'notification':
        this.#calledAt = at;
        this.#become('waiting', at, happened.text);
        return;
      case 'bell':
        // Alone it says nothing, and shells ring at a Tab. It counts when nothing follows.
        if (this.#atPrompt !== true && !this.#isEcho(at)) this.#hasRung = true;
        return;
      case 'prompt':
      case 'input':
      case 'ended':
        this.#atPrompt = happened.kind !== 'ended';
        this.#inProgress = false;
        this.#hasRung = false;
        if (this.#now.state !== 'waiting') this.#become('idle', at);
        return;
      case 'command':
        this.#atPrompt = false;
        this.#hasRung = false;
        this.#isInteractive = false;
        this.#isSettled = false;
        this.#wroteAt = at;
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

  /** Time has gone by. `look` is asked at most once, when it is quiet. */
  pass(at: number, look?: () => LastLine): void {
    const { quietAt } = this;
    if (quietAt === undefined || at < quietAt) return;
    this.#isSettled = true;
    const hasRung = this.#hasRung;
    this.#hasRung = false;
    if (this.#now.state === 'waiting') return;
    const { question, isDrawn } = look?.() ?? { question: null, isDrawn: false };
    if (hasRung || question !== null) this.#become('waiting', quietAt, question);
    // A command that its shell has marked works in silence as well, unless people are what it works with.
    else if (this.#atPrompt === undefined || this.#isInteractive || isDrawn) this.#become('idle', quietAt);
  }

  #typed(at: number): void {
    this.#typedAt = at;
    this.#hasRung = false;
    this.#isInteractive = true;
    if (this.#now.state !== 'waiting') return;
    if (this.#atPrompt === true) {
      this.#become('idle', at);
      return;
    }
    this.#wroteAt = at;
    this.#burstAt = at;
    this.#isSettled = false;
    this.#become('working', at);
  }

  #wrote(at: number): void {
    if (at - this.#wroteAt >= this.#times.quietMs) this.#burstAt = at;
    this.#wroteAt = at;
    this.#isSettled = false;
    // What comes at a prompt is the echo of what is typed.
    if (this.#atPrompt === true || this.#now.state === 'working') return;
    if (this.#now.state === 'waiting') {
      if (at - Math.max(this.#burstAt, this.#now.since, this.#calledAt) < this.#times.settleMs) return;
    } else if (this.#isEcho(at)) return;
    this.#become('working', at);
  }

  #isEcho(at: number): boolean {
    return at - this.#typedAt < this.#times.echoMs;
  }

  #become(state: Activity['state'], at: number, text: string | null = null): void {
    const { state: before, since, text: said } = this.#now;
    if (state === before && text === said) return;
    // Other words make no other wait: whoever counts them would never be told.
    this.#now = { state, since: state === before ? since : at, text };
  }
}
