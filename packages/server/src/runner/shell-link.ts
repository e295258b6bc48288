// The runner's end of the two FIFOs to a bash that takes runs: what it tells, and what it waits for.

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
import type { Mode } from '@binnacle/protocol';
import type { Fifos } from '../process/fifos.ts';
import { isCode } from '../process/pty.ts';
import { keeperText, SHELL_FILES, startupText, titleOf } from '../process/run-shell.ts';

/** A line of the shell is a word, a status and a path. A child that found the FIFO may write more; it is dropped. */
const MAX_LINE_BYTES = 32 * 1024;
/** What fills the FIFO of answers can only be something of the run's; the shell reads it away. */
const RETRY_MS = 10;

export type ShellTold =
  /** A fresh shell, by its pid. It has no prompt yet. */
  | { readonly t: 'shell'; readonly pid: number }
  /** It was woken, and waits for `go` or `no`. `n` is for the answer. */
  | { readonly t: 'begin'; readonly n: number }
  /** The run is over; everything that it wrote is written. Waits for any answer. */
  | { readonly t: 'end'; readonly n: number; readonly status: number; readonly cwd: string }
  /** A command that was typed is over. Waits for any answer. */
  | { readonly t: 'prompt'; readonly n: number }
  /** It is at its prompt, or about to read what was typed ahead; `hasLine`: with a line kept that a person began. */
  | { readonly t: 'ready'; readonly hasInput: boolean; readonly hasLine: boolean; readonly editsLines: boolean }
  /** The shell has ended; its keeper waits for `again` or `enough`. */
  | { readonly t: 'over'; readonly status: number };

export class ShellLink {
  readonly #dir: string;
  readonly #key: string;
  readonly #answers: number;
  readonly #told: Socket;
  readonly #listener: (told: ShellTold) => void;
  #kept = '';
  #isClosed = false;

  private constructor(
    dir: string,
    key: string,
    fds: { readonly answers: number; readonly told: number },
    listener: (told: ShellTold) => void,
  ) {
    this.#dir = dir;
    this.#key = `${key} `;
    this.#answers = fds.answers;
    this.#listener = listener;
    // Both FIFOs are open for both directions on our side: they never end, whoever else opens and closes them.
    this.#told = new Socket({ fd: fds.told, readable: true, writable: false });
    this.#told.on('data', (bytes: Buffer) => this.#toldOnData(bytes));
    this.#told.on('error', () => this.#told.destroy());
  }

  /** Writes the files of the shell into `dir`, which must not exist yet. */
  static async make(dir: string, mode: Mode, fifos: Fifos, listener: (told: ShellTold) => void): Promise<ShellLink> {
    mkdirSync(dir, { mode: 0o700 });
    const write = (name: string, text: string) => writeFileSync(join(dir, name), text, { mode: 0o600 });
    const key = randomBytes(16).toString('hex');
    write(SHELL_FILES.keeper, keeperText(dir, mode, key));
    write(SHELL_FILES.startup, startupText(dir, mode, key));
    // There before it is needed, so that the umask of a run has no say in who may read it.
    write(SHELL_FILES.state, '');
    const open = async (name: string) => {
      const path = join(dir, name);
      renameSync(await fifos.take(), path);
      return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    };
    const answers = await open(SHELL_FILES.answers);
    try {
      return new ShellLink(dir, key, { answers, told: await open(SHELL_FILES.told) }, listener);
    } catch (error) {
      closeSync(answers);
      throw error;
    }
  }

  get keeper(): string {
    return join(this.#dir, SHELL_FILES.keeper);
  }

  /** The command of the next run, where the shell will look for it. */
  offer(command: string, cwd = ''): void {
    writeFileSync(join(this.#dir, SHELL_FILES.command), `${cwd}\0${command}`, { mode: 0o600 });
    writeFileSync(join(this.#dir, SHELL_FILES.title), titleOf(command), { mode: 0o600 });
  }

  /** It has the command, or is not to have it any more. */
  withdraw(): void {
    for (const name of [SHELL_FILES.command, SHELL_FILES.title]) {
      try {
        unlinkSync(join(this.#dir, name));
      } catch {
        // The whole folder was removed under us: the shell finds nothing, as it should.
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
   * Nothing of it is of use once its shell has ended, and its state holds values of the environment. The names go first:
   * a shell that is left behind would wait for ever to open a FIFO that has no other end.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      // What is dying may still save its state there.
      rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3, retryDelay: 5 });
    } catch (error) {
      // Something of the run's goes on writing into it; it goes with the session's folder.
      console.error(new Date().toISOString(), this.#dir, 'could not be removed', error);
    }
    closeSync(this.#answers);
    this.#told.destroy();
  }

  #toldOnData(bytes: Buffer): void {
    // Latin-1 keeps the bytes of a path together until its line is whole.
    this.#kept += bytes.toString('latin1');
    for (let end = this.#kept.indexOf('\n'); end >= 0; end = this.#kept.indexOf('\n')) {
      const line = Buffer.from(this.#kept.slice(0, end), 'latin1').toString();
      this.#kept = this.#kept.slice(end + 1);
      const told = line.startsWith(this.#key) ? parse(line.slice(this.#key.length)) : undefined;
      if (told !== undefined && !this.#isClosed) this.#listener(told);
    }
    if (this.#kept.length > MAX_LINE_BYTES) this.#kept = '';
  }
}

/** Undefined for what the shell does not say. */
function parse(line: string): ShellTold | undefined {
  const [, asked, word, rest = ''] = /^(\d+) ([a-z]+)(?: (.*))?$/.exec(line) ?? [];
  const n = Number(asked);
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
