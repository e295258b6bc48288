// The runner's interface of a running program, implemented by pty.ts and pipe.ts.

import type { OutputKind } from '@binnacle/protocol';

export interface ProgramSpec {
  /** The program and its arguments. `argv[0]` is an absolute path: the caller has resolved it. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment; the runner adds nothing. */
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
}

export interface ExitStatus {
  /** Null if a signal ended the program. */
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Called by a program, in this order: `output` …, `exited`, `output` … (of children left behind), `ended`. */
export interface ProgramEvents {
  /** `bytes` is reused as soon as this returns. */
  output(kind: OutputKind, bytes: Uint8Array): void;
  /** All output that the program itself wrote was passed to `output` before. */
  exited(status: ExitStatus): void;
  /** The output has no writer any more, and its last byte was passed to `output`. */
  ended(): void;
}

export interface Program {
  readonly pid: number;
  /** Writes the bytes that the kernel takes without blocking; returns their count. */
  write(bytes: Uint8Array): number;
  /** Ends the input. Undefined for a terminal: its EOF character ends one read, not the input. */
  readonly closeInput: (() => void) | undefined;
  /**
   * Stops and continues reading. While paused, the kernel blocks the program as soon as its buffer is full
   * (back-pressure).
   */
  pause(): void;
  resume(): void;
  /** Undefined without a terminal. */
  readonly resize: ((cols: number, rows: number) => void) | undefined;
  /** Calls back when all output written before this call was passed to `output`. Calls back in order. */
  settle(done: () => void): void;
  /** Closes every descriptor; `ended` follows. For programs whose children keep the output open forever. */
  abandon(): void;
}

export type StartProgram = (spec: ProgramSpec, events: ProgramEvents) => Promise<Program>;
