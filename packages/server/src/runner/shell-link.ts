// The runner's end of the two FIFOs to a bash that takes runs: its messages, and the answers to them.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { SessionMode } from '@binnacle/protocol';
import type { Fifos } from '../process/fifos.ts';
import { isCode } from '../process/pty.ts';
import { keeperText, SHELL_FILES, startupText, titleOf } from '../process/run-shell.ts';

/**
 * Maximum bytes per line. The shell writes a word, a status and a path. A longer line comes from a child that found the
 * FIFO, and is dropped.
 */
const MAX_LINE_BYTES = 32 * 1024;
/**
 * Delay before a retry on a full FIFO of answers. Only a process of the run can have filled it; the shell drains it.
 */
const RETRY_MS = 10;
/** Tries to remove the files, for 2 s: a shell that is ended saves its state in some milliseconds. */
const REMOVE_TRIES = 40;
const REMOVE_PAUSE_MS = 50;

export type ShellReport =
  /** A fresh shell with its pid. It has no prompt yet. */
  | { readonly t: 'shell'; readonly pid: number }
  /** The shell was woken, and waits for `go` or `no`. `n` is the number for the answer. */
  | { readonly t: 'begin'; readonly n: number }
  /** The run is over, and all its output is written. Waits for any answer. */
  | { readonly t: 'end'; readonly n: number; readonly status: number; readonly cwd: string }
  /** A typed command is over. Waits for any answer. */
  | { readonly t: 'prompt'; readonly n: number }
  /**
   * The shell is at its prompt, or about to read input that was typed ahead. `hasLine`: with a saved line that a person
   * began.
   */
  | { readonly t: 'ready'; readonly hasInput: boolean; readonly hasLine: boolean; readonly editsLines: boolean }
  /** The shell has ended; its keeper waits for `again` or `enough`. */
  | { readonly t: 'over'; readonly status: number };

export class ShellLink {
  readonly #dir: string;
  readonly #key: string;
  readonly #answers: number;
  readonly #reports: Socket;
  readonly #listener: (report: ShellReport) => void;
  #partial = '';
  #isClosed = false;

  private constructor(
    dir: string,
    key: string,
    fds: { readonly answers: number; readonly reports: number },
    listener: (report: ShellReport) => void,
  ) {
    this.#dir = dir;
    this.#key = `${key} `;
    this.#answers = fds.answers;
    this.#listener = listener;
    // Both FIFOs are open in both directions here: they never reach their end, whatever other processes do.
    this.#reports = new Socket({ fd: fds.reports, readable: true, writable: false });
    this.#reports.on('data', (bytes: Buffer) => this.#reportsOnData(bytes));
    this.#reports.on('error', () => this.#reports.destroy());
  }

  /** Writes the files of the shell into `dir`, which must not exist yet. */
  static async make(
    dir: string,
    mode: SessionMode,
    fifos: Fifos,
    listener: (report: ShellReport) => void,
  ): Promise<ShellLink> {
    mkdirSync(dir, { mode: 0o700 });
    const write = (name: string, text: string) => writeFileSync(join(dir, name), text, { mode: 0o600 });
    const key = randomBytes(16).toString('hex');
    write(SHELL_FILES.keeper, keeperText(dir, mode, key));
    write(SHELL_FILES.startup, startupText(dir, mode, key));
    // Created in advance, so that the umask of a run does not determine who can read it.
    write(SHELL_FILES.state, '');
    const open = async (name: string) => {
      const path = join(dir, name);
      renameSync(await fifos.take(), path);
      return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    };
    const answers = await open(SHELL_FILES.answers);
    try {
      return new ShellLink(dir, key, { answers, reports: await open(SHELL_FILES.reports) }, listener);
    } catch (error) {
      closeSync(answers);
      throw error;
    }
  }

  get keeper(): string {
    return join(this.#dir, SHELL_FILES.keeper);
  }

  /** Writes the command of the next run to the file where the shell reads it. */
  offer(command: string, cwd = ''): void {
    writeFileSync(join(this.#dir, SHELL_FILES.command), `${cwd}\0${command}`, { mode: 0o600 });
    writeFileSync(join(this.#dir, SHELL_FILES.title), titleOf(command), { mode: 0o600 });
  }

  /** Removes the command: the shell has read it, or may not run it any more. */
  withdraw(): void {
    for (const name of [SHELL_FILES.command, SHELL_FILES.title]) {
      try {
        unlinkSync(join(this.#dir, name));
      } catch {
        // The whole folder was removed: the shell finds no command, as intended.
      }
    }
  }

  answer(n: number, word: 'go' | 'no' | 'ok'): void {
    this.#write(`${n} ${word}\n`);
  }

  answerKeeper(word: 'again' | 'enough'): void {
    this.#write(`0 ${word}\n`);
  }

  #write(line: string): void {
    if (this.#isClosed) return;
    try {
      writeSync(this.#answers, line);
    } catch (error) {
      if (!isCode(error, 'EAGAIN')) throw error;
      setTimeout(() => this.#write(line), RETRY_MS);
    }
  }

  /**
   * Removes the files: they have no use after the end of the shell, and its state contains values of the environment.
   * The names are removed first: a shell that is left behind would wait forever to open a FIFO without another end.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#remove();
    closeSync(this.#answers);
    this.#reports.destroy();
  }

  /** Removes the files, again and again while a dying shell still saves its state there. */
  #remove(tries = 0): void {
    try {
      rmSync(this.#dir, { recursive: true, force: true });
    } catch (error) {
      if (tries < REMOVE_TRIES) setTimeout(() => this.#remove(tries + 1), REMOVE_PAUSE_MS).unref();
      // A process of the run goes on to write into it; it is removed with the session's folder.
      else console.error(new Date().toISOString(), this.#dir, 'could not be removed', error);
    }
  }

  #reportsOnData(bytes: Buffer): void {
    // Latin-1 keeps the bytes of a path together until its line is complete.
    this.#partial += bytes.toString('latin1');
    for (let end = this.#partial.indexOf('\n'); end >= 0; end = this.#partial.indexOf('\n')) {
      const line = Buffer.from(this.#partial.slice(0, end), 'latin1').toString();
      this.#partial = this.#partial.slice(end + 1);
      const report = line.startsWith(this.#key) ? parse(line.slice(this.#key.length)) : undefined;
      if (report !== undefined && !this.#isClosed) this.#listener(report);
    }
    if (this.#partial.length > MAX_LINE_BYTES) this.#partial = '';
  }
}

/** Parses a line. Returns undefined for a line that is no message of the shell. */
function parse(line: string): ShellReport | undefined {
  const [, digits, word, rest = ''] = /^(\d+) ([a-z]+)(?: (.*))?$/.exec(line) ?? [];
  const n = Number(digits);
  const flags = rest.split(' ');
  const number = Number(flags[0]);
  switch (word) {
    case 'shell':
      return { t: word, pid: number };
    case 'begin':
    case 'prompt':
      return { t: word, n };
    case 'end':
      return { t: word, n, status: number, cwd: rest.slice(rest.indexOf(' ') + 1) };
    case 'ready':
      return { t: word, hasInput: flags[0] === '1', hasLine: flags[1] === '1', editsLines: flags[2] === '0' };
    case 'over':
      return { t: word, status: number };
    default:
      return undefined;
  }
}
