// What the runner needs of a running program. Two kinds implement it: pty.ts and pipe.ts. Knows no log and no socket.

import type { OutputKind } from '@binnacle/protocol';

export interface ProgramSpec {
  /** The program and its arguments. `argv[0]` is an absolute path: whoever asks has looked it up. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment; nothing of ours is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
}

export interface ExitStatus {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Called by a program, in this order: `output` …, `exited`, `output` … (of children left behind), `ended`. */
export interface ProgramEvents {
  /** `bytes` is reused as soon as this returns. */
  output(kind: OutputKind, bytes: Uint8Array): void;
  /** Everything that the program itself wrote was handed to `output` before. */
  exited(status: ExitStatus): void;
  /** Nobody holds the output open any more; the last byte was handed to `output`. */
  ended(): void;
}

export interface Program {
  readonly pid: number;
  /** Writes what the kernel takes without blocking; returns how many bytes that was. */
  write(bytes: Uint8Array): number;
  /** Ends the input. Undefined where a terminal is the input: its EOF character ends one read, not the input. */
  readonly closeInput: (() => void) | undefined;
  /** Stops and continues reading. While it is paused the kernel blocks the program as soon as its buffer is full. */
  pause(): void;
  resume(): void;
  /** Undefined where there is no terminal. */
  readonly resize: ((cols: number, rows: number) => void) | undefined;
  /** Calls back when all that was written to the output before this call was handed to `output`. In order. */
  settle(done: () => void): void;
  /** Lets go of every descriptor; `ended` follows. For programs whose children hold the output open for ever. */
  abandon(): void;
}

export type StartProgram = (spec: ProgramSpec, events: ProgramEvents) => Promise<Program>;
