// State machine for the activity of a terminal session: from its program's reports, its title and screen, and the times
// of its output. Pure: time comes from outside, and no session is needed. The state of a conversation (approvals,
// turns) takes precedence over this one.

import type { Dialog } from './dialog.ts';
import type { Mark, StatusMark } from './marks.ts';

// Signs of agents' states in the titles of their terminals. Recorded from Claude Code 2.1, Codex 0.169, Gemini CLI 0.61
// and Qwen Code 0.24; OpenCode 1.18 sets no such titles.

/** `asking`: for permission. `resting`: not at work; only the screen shows whether it asks for something. */
type TitleSign = 'asking' | 'working' | 'resting';

const SIGNS: readonly (readonly [RegExp, TitleSign])[] = [
  // Codex, where it blinks, and Gemini CLI.
  [/\bAction Required\b/, 'asking'],
  // Braille: Codex, and Claude Code before 2.1. Circles: Claude Code and Qwen Code. The star and the clock: Gemini CLI.
  [/^[\u2801-\u28ff\u25d0-\u25d3]/, 'working'],
  [/^[\u2726\u23f2]\s/, 'working'],
  // Claude Code, and Qwen Code while it asks. The diamond: Gemini CLI.
  [/^[\u2733\u25c7]/, 'resting'],
];

/**
 * Returns the sign in a title; undefined without one.
 * @example titleSignOf('✋  Action Required (project)') // 'asking'
 */
function titleSignOf(title: string): TitleSign | undefined {
  return SIGNS.find(([pattern]) => pattern.test(title))?.[1];
}

export interface Activity {
  /** `asking`: an agent asks for permission. */
  readonly state: 'asking' | 'waiting' | 'working' | 'idle';
  /** Ms since 1970. */
  readonly since: number;
  /** Text of the notification or question of a wait. */
  readonly text: string | null;
}

export type ActivityEvent =
  /** `bytes`: size of the output; default 0. */
  | { readonly kind: 'output'; readonly bytes?: number }
  /** Input from a user. */
  | { readonly kind: 'typed' }
  | Mark;

/** Appearance of the end of the output when nothing follows. */
export interface LastLine {
  /** The program's question, if the last line looks like one. */
  readonly question: string | null;
  /** True if the program moves the cursor, so draws its screen and waits for keys. */
  readonly movesCursor: boolean;
}

export interface ActivityTimes {
  /** Time without output after which a program has finished its work or waits. */
  readonly quietMs: number;
  /** Minimum duration of output that ends a wait. Shorter output is redrawing, for example after a resize. */
  readonly settleMs: number;
  /** Maximum delay between a key and its echo, which is not work. */
  readonly echoMs: number;
  /** Minimum pause in the output before the screen is checked. */
  readonly pauseMs: number;
}

export const ACTIVITY_TIMES: ActivityTimes = { quietMs: 3000, settleMs: 5000, echoMs: 1000, pauseMs: 400 };

/** Number of pauses after which a screen is checked during constant output, such as blinking. */
const PATIENCE = 3;
/**
 * Delay between two checks of a screen; doubled while the screen shows the same dialog, or lacks the expected dialog.
 */
const FIRST_REST_MS = 1000;
const LAST_REST_MS = 16_000;
/** Factor by which a silence may be longer while the program's title has the sign of work. */
const SIGNED = 5;
/** Maximum bytes per burst of a program at rest, which only blinks. More come from another program than the title's. */
const BLINKING_BYTES = 16 * 1024;

export class ActivityMachine {
  readonly #times: ActivityTimes;
  #now: Activity;
  /** Prompt state from the marks of a shell, a better sign of work than output; undefined without marks. */
  #atPrompt: boolean | undefined;
  #outputAt: number;
  /** Start and size of the current burst: output without a pause. */
  #burstAt: number;
  #burstBytes = 0;
  /** Time of the last notification: a wait may notify again and again. */
  #calledAt = Number.NEGATIVE_INFINITY;
  #typedAt = Number.NEGATIVE_INFINITY;
  #hasRung = false;
  #inProgress = false;
  /** True if a user typed into the running command. */
  #isInteractive = false;
  /** True if no output came since the last silence. */
  #isSettled = false;
  /** Time of the program's last own report; undefined without one. Afterwards nothing is guessed until a user types. */
  #reportedAt: number | undefined;
  #sign: TitleSign | undefined;
  #signAt = Number.NEGATIVE_INFINITY;
  /** Time since which the present screen has not been checked. */
  #unseenSince: number | undefined;
  #seenAt = Number.NEGATIVE_INFINITY;
  #restMs = 0;
  /** True if the program waits because of what its screen shows. */
  #isBySight = false;
  /** Screen of a reported wait: whether the dialog was seen, and whether a key may have ended the wait. */
  #sight: 'none' | 'wanted' | 'seen' | 'doubted' = 'none';

  constructor(at: number, times: ActivityTimes = ACTIVITY_TIMES) {
    this.#times = times;
    this.#now = { state: 'working', since: at, text: null };
    this.#outputAt = at;
    this.#burstAt = at;
  }

  get now(): Activity {
    return this.#now;
  }

  /** Time of the program's last report of its state, in ms since 1970; undefined if it reports none. */
  get reportedAt(): number | undefined {
    return this.#reportedAt;
  }

  /** Time at which `pass` can conclude something, if nothing happens before. */
  get quietAt(): number | undefined {
    const isOpen = !this.#isSettled && !this.#inProgress && this.#atPrompt !== true;
    if (!isOpen || !this.#isGuessed) return undefined;
    return this.#outputAt + this.#times.quietMs * (this.#sign === 'working' ? SIGNED : 1);
  }

  /** Time at which the screen should be checked, if nothing happens before. */
  get screenCheckAt(): number | undefined {
    if (this.#unseenSince === undefined || this.#atPrompt === true) return undefined;
    if (this.#sign === 'working' && this.#reportedAt === undefined) return undefined;
    if (this.#reportedAt !== undefined && this.#sight !== 'wanted' && this.#sight !== 'doubted') return undefined;
    const { pauseMs } = this.#times;
    const paused = this.#outputAt + pauseMs;
    const due = this.isSuspected ? Math.min(paused, this.#unseenSince + PATIENCE * pauseMs) : paused;
    return Math.max(due, this.#seenAt + this.#restMs);
  }

  /** True while the screen may show a dialog, whatever the output was. */
  get isSuspected(): boolean {
    return this.#isBySight || this.#sign === 'resting' || this.#isWordless || this.#reportedAt !== undefined;
  }

  /** True while the program asks for permission, and only its screen says for what. */
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

  take(event: ActivityEvent, at: number): void {
    switch (event.kind) {
      case 'output':
        this.#output(at, event.bytes ?? 0);
        return;
      case 'typed':
        this.#typed(at);
        return;
      case 'notification':
        this.#notified(event.text, at);
        return;
      case 'bell':
        // A bell alone has no meaning, and shells ring at a Tab. It counts if no output follows.
        if (this.#atPrompt !== true && !this.#isEcho(at)) this.#hasRung = true;
        return;
      case 'prompt':
      case 'input':
      case 'ended':
        this.#atPrompt = event.kind !== 'ended';
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
        this.#outputAt = at;
        this.#become('working', at);
        return;
      case 'progress':
        if (this.#reportedAt !== undefined) return;
        this.#inProgress = event.state === 'set';
        if (event.state === 'set') this.#become('working', at);
        else if (event.state !== 'over') this.#become('waiting', at);
        return;
      case 'title':
        this.#titled(event.text, at);
        return;
      case 'status':
        this.#reported(event, at);
        return;
    }
  }

  /** Handles the passing of time. Calls `readLastLine` at most once, after a silence. */
  pass(at: number, readLastLine?: () => LastLine): void {
    const { quietAt } = this;
    if (quietAt === undefined || at < quietAt) return;
    this.#isSettled = true;
    const hasRung = this.#hasRung;
    this.#hasRung = false;
    const { question, movesCursor } = readLastLine?.() ?? { question: null, movesCursor: false };
    if (this.#reportedAt !== undefined || this.#sign === 'asking') {
      if (movesCursor) return;
      this.#forget();
      this.#become(question === null ? 'idle' : 'waiting', quietAt, question);
      return;
    }
    if (this.#isWaiting) return;
    if (hasRung || question !== null) this.#become('waiting', quietAt, question);
    // A command that its shell has marked also works in silence, unless a user interacts with it.
    else if (this.#atPrompt === undefined || this.#isInteractive || movesCursor) this.#become('idle', quietAt);
  }

  /** Skips the check of the screen: the output contains no hint of a dialog. */
  overlook(): void {
    this.#unseenSince = undefined;
  }

  /** Handles a check of the screen, as it was at `at`. */
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

  /** Sets a wait. A repeated report without text is the same wait, and its text stays. */
  #block(state: 'asking' | 'waiting', at: number, text: string | null): void {
    this.#become(state, at, text ?? (this.#now.state === state ? this.#now.text : null));
  }

  #notified(text: string, at: number): void {
    // A notification at the end of a turn is no wait for a program that reports its state itself.
    if (this.#reportedAt === undefined) {
      this.#calledAt = at;
      this.#become('waiting', at, text);
    } else if (this.#isWaiting && this.#now.text === null) this.#become(this.#now.state, at, text);
  }

  #titled(title: string, at: number): void {
    const before = this.#sign;
    // A title without a sign is at rest if an earlier title had one. An empty title removes the sign.
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

  /** Forgets the reports and the title of a program that no longer runs. */
  #forget(): void {
    this.#reportedAt = undefined;
    this.#sign = undefined;
    this.#isBySight = false;
  }

  #typed(at: number): void {
    this.#typedAt = at;
    this.#hasRung = false;
    this.#isInteractive = true;
    // The screen changes a while after typing.
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
    this.#outputAt = at;
    this.#unseenSince ??= at;
    this.#isSettled = false;
    this.#become('working', at);
  }

  #output(at: number, bytes: number): void {
    if (at - this.#outputAt >= this.#times.quietMs) {
      this.#burstAt = at;
      this.#burstBytes = 0;
    }
    this.#outputAt = at;
    this.#burstBytes += bytes;
    this.#unseenSince ??= at;
    this.#isSettled = false;
    // Output at a prompt is the echo of typing.
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
    const { state: before, since, text: previousText } = this.#now;
    if (state === before && text === previousText) return;
    // New text alone does not change `since`: a new time per text would restart the debounce of notifications for ever.
    this.#now = { state, since: state === before ? since : at, text };
  }
}
