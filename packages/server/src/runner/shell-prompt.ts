// The prompt of the shell that executes runs: whether the shell waits there for a command. Input, output and the
// reports of the shell decide that together.

import type { SessionMode } from '@binnacle/protocol';
import type { ShellReport } from './shell-link.ts';

/**
 * Maximum wait for output after the prompt's hook. Readline takes over the terminal directly after the hook; an empty
 * prompt shows nothing.
 */
const PROMPT_MS = 20;
/** Bytes at which a shell executes typed input: newline, return, end of file, and readline's operate-and-get-next. */
const EXECUTING = new Set([0x0a, 0x0d, 0x04, 0x0f]);

export class ShellPrompt {
  readonly #mode: SessionMode;
  readonly #reached: (hasLine: boolean) => void;
  #isReady = false;
  /** True if readline is at the prompt, the usual state in a terminal unless a user turned it off. */
  #editsLines = true;
  /** True if input that the shell executes was typed since the last answer to the shell. */
  #wasTyped = false;
  /** True if the terminal showed output since the last answer to the shell: the prompt, or a background job. */
  #hasShown = false;
  /** A reported prompt that the terminal has not shown. */
  #awaited: { readonly timer: NodeJS.Timeout; readonly hasLine: boolean } | undefined;
  #isStopped = false;

  /** `reached`: called when the shell is at its prompt. `hasLine`: a line that a user had begun is to be restored. */
  constructor(mode: SessionMode, reached: (hasLine: boolean) => void) {
    this.#mode = mode;
    this.#reached = reached;
  }

  /** True while the shell waits for a command. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get editsLines(): boolean {
    return this.#editsLines;
  }

  get wasTyped(): boolean {
    return this.#wasTyped;
  }

  /** Takes the end of the input: the shell will exit. */
  noticeEndOfInput(): void {
    this.#wasTyped = true;
    this.#isReady = false;
  }

  /** Takes typed input. */
  noticeInput(bytes: Uint8Array): void {
    if (!bytes.some((byte) => EXECUTING.has(byte))) return;
    this.#wasTyped = true;
    this.#isReady = false;
  }

  /** Takes output of the terminal: directly after the prompt's hook it is the prompt. */
  noticeOutput(): void {
    this.#hasShown = true;
    if (this.#awaited !== undefined) this.#beReady();
  }

  /** Takes an answer to the shell, which goes on. */
  noticeAnswer(): void {
    // Input from now on may come before or after the prompt; the report `ready` has earlier input.
    this.#wasTyped = false;
    this.#hasShown = false;
  }

  /** Takes a wake or the end of the shell: it is not at its prompt until it reports that. */
  leave(): void {
    this.#isReady = false;
  }

  /** Takes the shell's report that its prompt follows. */
  announce({ editsLines, hasInput, hasLine }: Omit<Extract<ShellReport, { t: 'ready' }>, 't'>): void {
    this.#editsLines = editsLines;
    if (hasInput) this.#wasTyped = true;
    if (this.#wasTyped) return;
    clearTimeout(this.#awaited?.timer);
    this.#awaited = { timer: setTimeout(() => this.#beReady(), PROMPT_MS), hasLine };
    if (this.#hasShown || this.#mode === 'pipe') this.#beReady();
  }

  /** Decides without a report, by the holder of the terminal. */
  check(hasShellTerminal: () => boolean): void {
    this.#isReady = !this.#wasTyped && this.#awaited === undefined && hasShellTerminal();
  }

  /** Stops the timer. The prompt is never reached again. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#awaited?.timer);
    this.#awaited = undefined;
  }

  #beReady(): void {
    const hasLine = this.#awaited?.hasLine === true;
    clearTimeout(this.#awaited?.timer);
    this.#awaited = undefined;
    if (this.#isStopped || this.#wasTyped) return;
    this.#isReady = true;
    this.#reached(hasLine);
  }
}
