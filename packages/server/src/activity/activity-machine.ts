// Activity of a terminal's session, from the reports of its program, from its title and screen, and from when it
// writes. A pure machine: its time comes from outside, and it knows no session. A driver that knows better (approvals,
// turns) goes before it.

import type { Dialog } from './dialog.ts';
import type { Mark, StatusMark } from './marks.ts';
import { type TitleSign, titleSignOf } from './title-sign.ts';

export interface Activity {
  /** `asking`: an agent asks for leave. */
  readonly state: 'asking' | 'waiting' | 'working' | 'idle';
  /** ms since 1970. */
  readonly since: number;
  /** Of the notification, or the question, that it waits with. */
  readonly text: string | null;
}

export type Happened =
  /** `bytes`: how much; default 0. */
  | { readonly kind: 'output'; readonly bytes?: number }
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
  /** After a pause as long as this the screen is looked at. */
  readonly pauseMs: number;
}

export const ACTIVITY_TIMES: ActivityTimes = { quietMs: 3000, settleMs: 5000, echoMs: 1000, pauseMs: 400 };

/** A program that draws all the time, as blinking does, is looked at in the midst of it after so many pauses. */
const PATIENCE = 3;
/** Time between two looks at a screen; doubled while the screen shows the same dialog, or lacks the expected dialog. */
const FIRST_REST_MS = 1000;
const LAST_REST_MS = 16_000;
/** Factor by which a silence may be longer while the program's title has the sign of work. */
const SIGNED = 5;
/** Maximum bytes per burst of a program at rest, which only blinks. More come from another program than the title's. */
const BLINKING_BYTES = 16 * 1024;

export class ActivityMachine {
  readonly #times: ActivityTimes;
  #now: Activity;
  /** Shells that mark their prompts say when they work, better than their output does. */
  #atPrompt: boolean | undefined;
  #wroteAt: number;
  /** When the output began that has had no pause since, and how much it is. */
  #burstAt: number;
  #burstBytes = 0;
  /** When it called for somebody last: a wait may call again and again. */
  #calledAt = Number.NEGATIVE_INFINITY;
  #typedAt = Number.NEGATIVE_INFINITY;
  #hasRung = false;
  #inProgress = false;
  /** Somebody typed into the command that runs. */
  #isInteractive = false;
  /** Nothing came since it was quiet last. */
  #isSettled = false;
  /** The program reports its state, since then: nothing is guessed. */
  #reportedAt: number | undefined;
  #sign: TitleSign | undefined;
  #signAt = Number.NEGATIVE_INFINITY;
  /** Time since which the present screen has not been looked at. */
  #unseenSince: number | undefined;
  #seenAt = Number.NEGATIVE_INFINITY;
  #restMs = 0;
  /** The program waits because of what its screen shows. */
  #isBySight = false;
  /** Screen of a reported wait: whether the dialog was seen, and whether a key may have ended the wait. */
  #sight: 'none' | 'wanted' | 'seen' | 'doubted' = 'none';

  constructor(at: number, times: ActivityTimes = ACTIVITY_TIMES) {
    this.#times = times;
    this.#now = { state: 'working', since: at, text: null };
    this.#wroteAt = at;
    this.#burstAt = at;
  }

  get now(): Activity {
    return this.#now;
  }

  /** When its program reported its state last, ms since 1970; undefined where it reports none. */
  get reportedAt(): number | undefined {
    return this.#reportedAt;
  }

  /** When `pass` has something to say, if nothing happens before. */
  get quietAt(): number | undefined {
    const isOpen = !this.#isSettled && !this.#inProgress && this.#atPrompt !== true;
    if (!isOpen || !this.#isGuessed) return undefined;
    return this.#wroteAt + this.#times.quietMs * (this.#sign === 'working' ? SIGNED : 1);
  }

  /** When the screen is to be looked at, if nothing happens before. */
  get lookAt(): number | undefined {
    if (this.#unseenSince === undefined || this.#atPrompt === true) return undefined;
    if (this.#sign === 'working' && this.#reportedAt === undefined) return undefined;
    if (this.#reportedAt !== undefined && this.#sight !== 'wanted' && this.#sight !== 'doubted') return undefined;
    const { pauseMs } = this.#times;
    const paused = this.#wroteAt + pauseMs;
    const due = this.isSuspected ? Math.min(paused, this.#unseenSince + PATIENCE * pauseMs) : paused;
    return Math.max(due, this.#seenAt + this.#restMs);
  }

  /** True while the screen may show a dialog, whatever was written last. */
  get isSuspected(): boolean {
    return this.#isBySight || this.#sign === 'resting' || this.#isWordless || this.#reportedAt !== undefined;
  }

  /** True while the program asks for leave, and only its screen says what for. */
  get #isWordless(): boolean {
    return this.#now.state === 'asking' && this.#now.text === null;
  }

  get #isGuessed(): boolean {
    if (this.#sign === 'asking' || this.#reportedAt !== undefined) {
      // A killed program reports nothing more; a person who typed since then may talk to another program.
      return this.#typedAt > Math.max(this.#signAt, this.#reportedAt ?? Number.NEGATIVE_INFINITY);
    }
    return true;
  }

  take(happened: Happened, at: number): void {
    switch (happened.kind) {
      case 'output':
        this.#wrote(at, happened.bytes ?? 0);
        return;
      case 'typed':
        this.#typed(at);
        return;
      case 'notification':
        this.#notified(happened.text, at);
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
        this.#forget();
        if (!this.#isWaiting) this.#become('idle', at);
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
        if (this.#reportedAt !== undefined) return;
        this.#inProgress = happened.state === 'set';
        if (happened.state === 'set') this.#become('working', at);
        else if (happened.state !== 'over') this.#become('waiting', at);
        return;
      case 'title':
        this.#titled(happened.text, at);
        return;
      case 'status':
        this.#reported(happened, at);
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
    const { question, isDrawn } = look?.() ?? { question: null, isDrawn: false };
    if (this.#reportedAt !== undefined || this.#sign === 'asking') {
      if (isDrawn) return;
      this.#forget();
      this.#become(question === null ? 'idle' : 'waiting', quietAt, question);
      return;
    }
    if (this.#isWaiting) return;
    if (hasRung || question !== null) this.#become('waiting', quietAt, question);
    // A command that its shell has marked works in silence as well, unless people are what it works with.
    else if (this.#atPrompt === undefined || this.#isInteractive || isDrawn) this.#become('idle', quietAt);
  }

  /** Nothing that was written hints at a dialog: the screen need not be looked at. */
  overlook(): void {
    this.#unseenSince = undefined;
  }

  /** The screen was looked at, as it was then. */
  saw(dialog: Dialog | undefined, at: number): void {
    const isSame = (dialog !== undefined && this.#isBySight) || this.#sight === 'wanted';
    this.#unseenSince = undefined;
    this.#seenAt = at;
    this.#restMs = isSame ? Math.min(LAST_REST_MS, Math.max(FIRST_REST_MS, 2 * this.#restMs)) : FIRST_REST_MS;
    if (this.#reportedAt !== undefined) {
      if (dialog !== undefined) {
        this.#sight = 'seen';
        if (this.#isWordless) this.#become('asking', at, dialog.question);
      } else if (this.#sight === 'doubted') {
        this.#sight = 'none';
        this.#become('working', at);
      }
      return;
    }
    if (dialog !== undefined) {
      this.#isBySight = true;
      this.#become('asking', at, dialog.question);
      return;
    }
    if (this.#sign === 'resting' && (this.#isBySight || !this.#isWaiting)) this.#become('idle', at);
    else if (this.#isBySight) this.#become('working', at);
    this.#isBySight = false;
  }

  get #isWaiting(): boolean {
    return this.#now.state === 'waiting' || this.#now.state === 'asking';
  }

  #reported({ state, reason, text }: StatusMark, at: number): void {
    this.#reportedAt = at;
    this.#isBySight = false;
    this.#hasRung = false;
    this.#sight = state === 'blocked' ? 'wanted' : 'none';
    if (state === 'blocked') this.#unseenSince = at;
    switch (state) {
      case 'clear':
        this.#forget();
        this.#become('idle', at);
        return;
      case 'idle':
      case 'done':
        this.#become('idle', at);
        return;
      case 'working':
        this.#become('working', at);
        return;
      case 'blocked':
        this.#block(reason === 'permission' ? 'asking' : 'waiting', at, text);
        return;
      case 'error':
        this.#become('waiting', at, text);
        return;
      default:
        state satisfies never;
    }
  }

  /** Told again without words, it is the same wait. */
  #block(state: 'asking' | 'waiting', at: number, text: string | null): void {
    this.#become(state, at, text ?? (this.#now.state === state ? this.#now.text : null));
  }

  #notified(text: string, at: number): void {
    // The end of a turn is no wait where the program reports its state itself.
    if (this.#reportedAt === undefined) {
      this.#calledAt = at;
      this.#become('waiting', at, text);
    } else if (this.#isWaiting && this.#now.text === null) this.#become(this.#now.state, at, text);
  }

  #titled(title: string, at: number): void {
    const before = this.#sign;
    // Without a sign it is at rest, if it ever had one. With no title at all it is gone.
    this.#sign = titleSignOf(title) ?? (before === undefined || title === '' ? undefined : 'resting');
    if (this.#sign !== before) this.#signAt = at;
    if (this.#sign === before || this.#sign === undefined || this.#reportedAt !== undefined) return;
    this.#restMs = 0;
    if (this.#sign === 'working') {
      this.#isBySight = false;
      this.#become('working', at);
      return;
    }
    this.#unseenSince = at;
    if (this.#sign === 'asking') this.#become('asking', at, this.#now.state === 'asking' ? this.#now.text : null);
  }

  /** Whatever it said of its state is of no program that goes on. */
  #forget(): void {
    this.#reportedAt = undefined;
    this.#sign = undefined;
    this.#isBySight = false;
  }

  #typed(at: number): void {
    this.#typedAt = at;
    this.#hasRung = false;
    this.#isInteractive = true;
    // Typing takes a while to change what is shown.
    this.#seenAt = at;
    this.#restMs = FIRST_REST_MS;
    this.#burstAt = at;
    this.#burstBytes = 0;
    if (this.#reportedAt !== undefined && this.#sight === 'seen') {
      this.#sight = 'doubted';
      this.#unseenSince = at;
    }
    if (!this.#isWaiting || this.#reportedAt !== undefined || this.#sign === 'asking') return;
    this.#isBySight = false;
    if (this.#atPrompt === true) {
      this.#become('idle', at);
      return;
    }
    this.#wroteAt = at;
    this.#unseenSince ??= at;
    this.#isSettled = false;
    this.#become('working', at);
  }

  #wrote(at: number, bytes: number): void {
    if (at - this.#wroteAt >= this.#times.quietMs) {
      this.#burstAt = at;
      this.#burstBytes = 0;
    }
    this.#wroteAt = at;
    this.#burstBytes += bytes;
    this.#unseenSince ??= at;
    this.#isSettled = false;
    // What comes at a prompt is the echo of what is typed.
    if (this.#atPrompt === true || this.#now.state === 'working' || this.#reportedAt !== undefined) return;
    const hasSettled = at - Math.max(this.#burstAt, this.#now.since, this.#calledAt) >= this.#times.settleMs;
    if (this.#sign === 'resting' || this.#sign === 'asking') {
      if (!hasSettled || this.#burstBytes < BLINKING_BYTES) return;
      this.#sign = undefined;
    } else if (this.#isBySight) return;
    else if (this.#isWaiting ? !hasSettled : this.#isEcho(at)) return;
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
