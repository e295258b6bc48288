// The terminal that a command was started from: raw mode, size, and the restoration of both.

import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { TerminalModes } from './modes.ts';

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

/** Returns the size of the terminal on stdout; undefined without a terminal. */
export const terminalSize = (): Size | undefined =>
  process.stdout.isTTY && process.stdout.columns > 0 && process.stdout.rows > 0
    ? { cols: process.stdout.columns, rows: process.stdout.rows }
    : undefined;

/** Raw mode until `leave`. Every exit of the process restores the terminal, except SIGKILL, which cannot be caught. */
export class Terminal {
  /** Modes that the program changed. */
  readonly modes: TerminalModes;
  readonly #raw: boolean;
  readonly #cleanup: (() => void)[];
  #left: boolean;
  #noticed: string;
  #onKey: ((signal: NodeJS.Signals) => boolean) | undefined;

  /** `raw`: every key goes to the program. Otherwise the terminal edits lines, and its keys raise signals. */
  constructor(options: { readonly raw: boolean }) {
    this.modes = new TerminalModes();
    this.#raw = options.raw && process.stdin.isTTY === true;
    this.#cleanup = [];
    this.#left = false;
    this.#noticed = '';
    this.#onKey = undefined;
    if (this.#raw) process.stdin.setRawMode(true);
    const leave = (): void => this.leave();
    // The monitor event comes before the stack is printed, so that the stack does not go to an alternate screen.
    this.#listen('uncaughtExceptionMonitor', leave);
    this.#listen('exit', leave);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const) {
      this.#listen(signal, () => {
        if (this.#onKey?.(signal) !== true) process.exit(128 + constants.signals[signal]);
      });
    }
  }

  get raw(): boolean {
    return this.#raw;
  }

  /** Handles Ctrl-C and Ctrl-\ without raw mode. A handler that returns false ends the process. */
  onSignalKey(pressed: (signal: NodeJS.Signals) => boolean): void {
    this.#onKey = pressed;
  }

  /** Calls `changed` at each change of size, until `leave`. */
  onResize(changed: (size: Size) => void): void {
    const listener = (): void => {
      const size = terminalSize();
      if (size !== undefined) changed(size);
    };
    process.stdout.on('resize', listener);
    this.#cleanup.push(() => process.stdout.off('resize', listener));
  }

  /** Writes output of the program. Resolves when there is room for more. */
  async write(bytes: Uint8Array, to: NodeJS.WriteStream = process.stdout): Promise<void> {
    if (to.isTTY) this.modes.push(bytes);
    await writeTo(to, bytes);
  }

  /** Prints a message of this command on stderr; not while a full-screen program uses the screen. */
  notice(text: string): void {
    // Deduplicated: each refused key would repeat the message.
    if (text === this.#noticed || (this.modes.fullScreen && process.stderr.isTTY)) return;
    this.#noticed = text;
    const [start, end] = this.#raw && !this.#left ? ['\r\n', '\r\n'] : ['', '\n'];
    process.stderr.write(`${start}[binnacle: ${text}]${end}`);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    for (const undo of this.#cleanup) undo();
    const restore = process.stdout.isTTY ? this.modes.restore() : '';
    // Synchronous: this may be the last action of the process.
    if (restore !== '') tryWrite(restore);
    if (this.#raw) process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  #listen(event: string, listener: () => void): void {
    process.on(event, listener);
    this.#cleanup.push(() => process.off(event, listener));
  }
}

/** Writes to a stream. Resolves when the stream has room for more. */
export async function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || stream.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

function tryWrite(text: string): void {
  const until = performance.now() + 200;
  let rest = Buffer.from(text);
  while (rest.length > 0 && performance.now() < until) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // EAGAIN: the terminal is full because nothing reads it. EIO: the terminal was closed, and needs no restoration.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
    }
  }
}
