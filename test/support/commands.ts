// Runs the binary for tests, with pipes or in a real terminal. No part of the product.

import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { PtyLoader } from '../../packages/server/src/process/native-pty.ts';
import type { Program } from '../../packages/server/src/process/program.ts';
import { ptyStarter, READ_BYTES } from '../../packages/server/src/process/pty.ts';
import { kill } from '../../packages/server/src/process/session-processes.ts';

export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Screen {
  /** All that was written to the terminal, one character a byte. */
  text(): string;
  type(text: string): void;
  /** As a terminal that is closed: all that runs in it is told. */
  hangUp(): void;
}

export class Commands {
  readonly #binary: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #open: Program[];
  readonly #children: Set<ChildProcess>;

  constructor(binary: string, env: Readonly<Record<string, string>>) {
    this.#binary = binary;
    this.#env = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: tmpdir(),
      HISTFILE: '/dev/null',
      TERM: 'xterm-256color',
      ...env,
    };
    this.#open = [];
    this.#children = new Set();
  }

  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<Result> {
    const child = spawn(process.execPath, [this.#binary, ...args], { env: { ...this.#env, ...env } });
    this.#children.add(child);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined); // a command that ends early does not read it
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    this.#children.delete(child);
    return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
  }

  /**
   * A terminal in which a shell runs `command` (`$B` is the binary), then says how it ended (`code=0`), whether the
   * terminal edits lines and echoes (`icanon echo`, each with a dash if not), and `done`.
   */
  async inTerminal(command: string): Promise<Screen> {
    const script = `${command}; echo "code=$?"; stty -a | grep -oE -- '-?\\b(icanon|echo)\\b' | tr '\\n' ' '; echo done`;
    let screen = '';
    const env = { ...this.#env, B: `${process.execPath} ${this.#binary}` };
    const program = await ptyStarter(Buffer.allocUnsafeSlow(READ_BYTES), new PtyLoader())(
      { argv: ['/bin/bash', '-c', script], cwd: tmpdir(), env, cols: 100, rows: 30 },
      {
        output: (_, bytes) => {
          screen += Buffer.from(bytes).toString('latin1');
        },
        exited: () => undefined,
        ended: () => undefined,
      },
    );
    this.#open.push(program);
    return {
      text: () => screen,
      type: (text) => void program.write(Buffer.from(text, 'latin1')),
      hangUp: () => kill(-program.pid, 'SIGHUP'),
    };
  }

  /** Ends what still runs. */
  end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const program of this.#open.splice(0)) {
      kill(-program.pid, 'SIGKILL');
      program.abandon();
    }
  }
}
