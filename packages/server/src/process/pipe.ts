// A program on pipes: stdin, stdout and stderr apart, as FIFOs. Owns the runner's ends of them.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { OutputKind } from '@binnacle/protocol';
import type { Fifos, OpenFifo } from './fifos.ts';
import { pipeCommand } from './launcher.ts';
import type { ExitStatus, Program, ProgramEvents, StartProgram } from './program.ts';
import { isCode, readNow, started } from './pty.ts';

/** Maximum bytes in a pipe (fs.pipe-max-size): bytes beyond it were written later, by a child left behind. */
const MAX_PIPE_BYTES = 1024 * 1024;

export function pipeStarter(fifos: Fifos, readBuffer: Buffer): StartProgram {
  return async (spec, events) => {
    const opened: OpenFifo[] = [];
    try {
      const stdin = await fifos.openInput();
      opened.push(stdin);
      const stdout = await fifos.openOutput();
      opened.push(stdout);
      const stderr = await fifos.openOutput();
      opened.push(stderr);
      const [command, ...args] = pipeCommand(spec.argv);
      // `detached` is setsid(2): the program gets its own session and process group, which distinguishes its jobs from
      // the runner's.
      const child = await started(
        spawn(command, args, {
          cwd: spec.cwd,
          env: spec.env,
          detached: true,
          stdio: [stdin.theirs, stdout.theirs, 'ignore', stderr.theirs],
        }),
      );
      return new PipeProgram(child, {
        stdin: stdin.ours,
        stdout: stdout.ours,
        stderr: stderr.ours,
        readBuffer,
        events,
      });
    } catch (error) {
      for (const fifo of opened) closeSync(fifo.ours);
      throw error;
    } finally {
      for (const fifo of opened) closeSync(fifo.theirs);
    }
  };
}

interface Pipes {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly readBuffer: Buffer;
  readonly events: ProgramEvents;
}

class PipeProgram implements Program {
  readonly pid: number;
  readonly resize = undefined;
  #stdin: number;
  readonly #events: ProgramEvents;
  readonly #outputs: readonly PipeReader[];
  #exitReported = false;
  #paused = false;
  /** Callbacks that wait until all written output is read. While reading is paused there may be several. */
  readonly #settling: (() => void)[] = [];

  constructor(child: ChildProcess, pipes: Pipes) {
    this.pid = child.pid ?? -1;
    this.#stdin = pipes.stdin;
    this.#events = pipes.events;
    const onEnd = () => this.#maybeEnd();
    this.#outputs = [
      new PipeReader('stdout', pipes.stdout, pipes, onEnd),
      new PipeReader('stderr', pipes.stderr, pipes, onEnd),
    ];
    child.on('exit', (exitCode, signal) => this.#childOnExit({ exitCode, signal }));
  }

  write(bytes: Uint8Array): number {
    if (this.#stdin < 0) return bytes.length;
    try {
      return writeSync(this.#stdin, bytes);
    } catch (error) {
      if (isCode(error, 'EAGAIN')) return 0;
      throw error;
    }
  }

  readonly closeInput = (): void => {
    if (this.#stdin >= 0) closeSync(this.#stdin);
    this.#stdin = -1;
  };

  pause(): void {
    this.#paused = true;
    for (const output of this.#outputs) output.socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const output of this.#outputs) output.socket.resume();
    this.#settleNow();
  }

  settle(done: () => void): void {
    this.#settling.push(done);
    this.#settleNow();
  }

  abandon(): void {
    for (const output of this.#outputs) output.close();
  }

  #childOnExit(status: ExitStatus): void {
    this.closeInput();
    this.settle(() => {
      this.#exitReported = true;
      this.#events.exited(status);
      this.#maybeEnd();
    });
  }

  /**
   * Settles the waiting callbacks. Earlier output is in the kernel by now, so reading until the pipes are empty finds
   * all of it.
   */
  #settleNow(): void {
    if (this.#settling.length === 0) return;
    for (const output of this.#outputs) {
      if (!output.drainNow(() => this.#paused)) return;
    }
    for (const done of this.#settling.splice(0)) done();
  }

  #maybeEnd(): void {
    if (this.#exitReported && this.#outputs.every((output) => output.hasEnded)) this.#events.ended();
  }
}

class PipeReader {
  readonly socket: Socket;
  hasEnded = false;
  #fd: number;
  readonly #kind: OutputKind;
  readonly #readBuffer: Buffer;
  readonly #events: ProgramEvents;

  constructor(kind: OutputKind, fd: number, pipes: Pipes, onEnd: () => void) {
    this.#kind = kind;
    this.#fd = fd;
    this.#readBuffer = pipes.readBuffer;
    this.#events = pipes.events;
    const callback = (count: number): boolean => {
      this.#events.output(this.#kind, this.#readBuffer.subarray(0, count));
      return !this.socket.isPaused();
    };
    // The types allow `onread` only for sockets that connect.
    const options = { fd, readable: true, writable: false, onread: { buffer: pipes.readBuffer, callback } };
    this.socket = new Socket(options);
    this.socket.on('end', () => this.close());
    this.socket.on('error', () => this.close());
    this.socket.on('close', () => {
      this.hasEnded = true;
      onEnd();
    });
    this.socket.resume();
  }

  /**
   * Closes the descriptor synchronously; `close` is emitted one turn later, and in between the number may be reused.
   */
  close(): void {
    this.#fd = -1;
    this.socket.destroy();
  }

  /** Reads until the pipe is empty. Returns false if `isPaused` stopped it before. */
  drainNow(isPaused: () => boolean): boolean {
    for (let taken = 0; this.#fd >= 0 && taken < MAX_PIPE_BYTES; ) {
      if (isPaused()) return false;
      const count = readNow(this.#fd, this.#readBuffer);
      if (count === 0) break;
      this.#events.output(this.#kind, this.#readBuffer.subarray(0, count));
      taken += count;
    }
    return true;
  }
}
