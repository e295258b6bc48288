// A program in a pseudo terminal. Owns both ends of the terminal until the last byte is read.
//
// node-pty's own spawn loses the end of the output (microsoft/node-pty#85, libuv#4992: a short read with POLLHUP counts
// as the end). The slave therefore stays open until the program has exited; then a random marker is written into it and
// read back: the bytes before the marker are all that the program wrote.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ReadStream } from 'node:tty';
import { BinnacleError } from '@binnacle/protocol';
import { ptyCommand } from './launcher.ts';
import type { PtyLoader } from './native-pty.ts';
import type { ExitStatus, Program, ProgramEvents, ProgramSpec, StartProgram } from './program.ts';

/**
 * Maximum wait for the marker after the exit. A stopped terminal (XOFF) never echoes it; then the bytes in the kernel
 * are all.
 */
const MARKER_TIMEOUT_MS = 1000;
/**
 * Maximum wait for the marker while the program runs: an interrupt key makes the kernel discard its buffer, including
 * the marker.
 */
const LIVE_MARKER_TIMEOUT_MS = 250;
/**
 * Bytes per read. N_TTY returns about 4 KiB per read whatever is requested; 64 KiB is room for the drain at the end.
 */
export const READ_BYTES = 64 * 1024;

/**
 * Returns the starter for programs in terminals. All programs of a runner share `readBuffer`: reads are synchronous, so
 * they never need it at the same time. The starter throws `pty_unavailable` if the native binary is missing.
 */
export function ptyStarter(readBuffer: Buffer, loader: PtyLoader): StartProgram {
  // Loaded now, if possible: the files may be replaced later.
  void loader.problem;
  return async (spec, events) => {
    const native = loader.load();
    const pty = native.open(spec.cols, spec.rows);
    let inherited = -1;
    let slave = -1;
    try {
      // Two file descriptions: libuv makes the child's blocking, and the write of the marker must never block.
      inherited = openSync(pty.pty, constants.O_RDWR | constants.O_NOCTTY);
      slave = openSync(pty.pty, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
      const child = await launch(spec, inherited);
      return new PtyProgram(child, { master: pty.master, slave, readBuffer, events, resize: native.resize });
    } catch (error) {
      if (slave >= 0) closeSync(slave);
      closeSync(pty.master);
      throw error;
    } finally {
      if (inherited >= 0) closeSync(inherited);
      closeSync(pty.slave);
    }
  };
}

/** Starts the launcher, which closes the pipe at descriptor 3 when it becomes the program. */
function launch(spec: ProgramSpec, terminal: number): Promise<ChildProcess> {
  const [command, ...args] = ptyCommand(spec.argv);
  const child = spawn(command, args, { cwd: spec.cwd, env: spec.env, stdio: [terminal, terminal, 'ignore', 'pipe'] });
  return started(child);
}

/** Resolves when the process exists. Throws `start_failed`. */
export function started(child: ChildProcess): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child));
    child.once('error', (cause) => reject(new BinnacleError('start_failed', { message: cause.message, cause })));
  });
}

interface PtyParts {
  readonly master: number;
  readonly slave: number;
  readonly readBuffer: Buffer;
  readonly events: ProgramEvents;
  readonly resize: (fd: number, cols: number, rows: number) => void;
}

class PtyProgram implements Program {
  readonly pid: number;
  readonly closeInput = undefined;
  readonly resize: (cols: number, rows: number) => void;
  /** -1 once closed, so that a reused number is never written to. */
  #master: number;
  #slave: number;
  readonly #events: ProgramEvents;
  readonly #readBuffer: Buffer;
  readonly #stream: ReadStream;
  #drain: MarkerSearch | undefined;
  /** Callbacks that wait for the drain after this one. */
  readonly #settling: (() => void)[] = [];
  #hasEnded = false;
  /** True once the launcher has become the program. An interrupt key typed before the program has its terminal is lost. */
  #isLaunched = false;

  constructor(child: ChildProcess, terminal: PtyParts) {
    this.pid = child.pid ?? -1;
    this.#master = terminal.master;
    this.#slave = terminal.slave;
    this.#events = terminal.events;
    this.#readBuffer = terminal.readBuffer;
    this.resize = (cols, rows) => {
      if (this.#master >= 0) terminal.resize(this.#master, cols, rows);
    };
    // `onread` is undocumented for tty but is passed on to net.Socket: one static buffer in place of an allocation per
    // read.
    const options = { onread: { buffer: terminal.readBuffer, callback: this.#masterOnRead } };
    this.#stream = new ReadStream(terminal.master, options as object);
    this.#stream.on('end', this.#masterOnEnd);
    this.#stream.on('error', this.#masterOnError);
    this.#stream.on('close', this.#masterOnClose);
    this.#stream.resume();
    const launching = child.stdio[3] as Socket;
    launching.on('error', () => undefined); // Reported by `close`, like the end.
    launching.once('close', () => {
      this.#isLaunched = true;
    });
    launching.resume();
    child.on('exit', (exitCode, signal) => this.#childOnExit({ exitCode, signal }));
  }

  write(bytes: Uint8Array): number {
    if (this.#master < 0) return bytes.length;
    if (!this.#isLaunched) return 0;
    try {
      return writeSync(this.#master, bytes);
    } catch (error) {
      if (isCode(error, 'EAGAIN')) return 0;
      // EIO: no process has the terminal open any more, so no process can read this; the reader reports the end.
      if (isCode(error, 'EIO')) return bytes.length;
      throw error;
    }
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  settle(done: () => void): void {
    this.#settling.push(done);
    if (this.#drain === undefined) this.#drainNext();
  }

  abandon(): void {
    this.#close();
  }

  /**
   * Closes the descriptor synchronously; `close` is emitted one turn later, and in between the number may be reused.
   */
  #close(): void {
    this.#master = -1;
    this.#stream.destroy();
  }

  readonly #masterOnRead = (count: number): boolean => {
    this.#take(this.#readBuffer.subarray(0, count));
    return !this.#stream.isPaused();
  };

  #take(bytes: Uint8Array): void {
    if (this.#drain === undefined) {
      this.#events.output('tty', bytes);
      return;
    }
    const found = this.#drain.take(bytes);
    if (found.before.length > 0) this.#events.output('tty', found.before);
    if (found.after !== undefined) this.#drained(found.after);
  }

  /** EIO: no process has the terminal open, and it is empty. The stream has closed the descriptor already. */
  readonly #masterOnError = (): void => {
    this.#master = -1;
  };

  /**
   * The end according to libuv: no process has the terminal open. Before libuv 1.52 bytes may still be in the kernel.
   */
  readonly #masterOnEnd = (): void => {
    if (this.#master < 0) return;
    while (true) {
      const count = readNow(this.#master, this.#readBuffer);
      if (count === 0) break;
      this.#take(this.#readBuffer.subarray(0, count));
    }
    this.#close();
  };

  readonly #masterOnClose = (): void => {
    this.#master = -1;
    if (this.#drain !== undefined) this.#drained(new Uint8Array(0));
    this.#hasEnded = true;
    this.#closeSlave();
    this.#maybeEnd();
  };

  #hasExited = false;
  #exitReported = false;

  #childOnExit(status: ExitStatus): void {
    this.#hasExited = true;
    this.settle(() => {
      this.#exitReported = true;
      this.#events.exited(status);
      this.#maybeEnd();
      this.#closeSlave();
    });
  }

  #drainNext(): void {
    for (let done = this.#settling.shift(); done !== undefined; done = this.#settling.shift()) {
      if (this.#master < 0) {
        done(); // All output was read.
        continue;
      }
      const drain = new MarkerSearch(done);
      this.#drain = drain;
      this.#writeMarker(drain);
      this.#giveUpLater(drain);
      return;
    }
  }

  #giveUpLater(drain: MarkerSearch): void {
    const timer = setTimeout(
      () => {
        if (this.#drain !== drain) return;
        // Reading is paused for lack of disk space: the marker is still on its way.
        if (this.#stream.isPaused() || this.#readLate(drain)) this.#giveUpLater(drain);
        else if (this.#drain === drain) this.#drained(drain.rest());
      },
      this.#hasExited ? MARKER_TIMEOUT_MS : LIVE_MARKER_TIMEOUT_MS,
    );
    timer.unref();
  }

  /**
   * Reads after this process was stopped (SIGSTOP, a slow disk), when timers fire before reads. Returns true if more
   * may follow.
   */
  #readLate(drain: MarkerSearch): boolean {
    for (let taken = 0; taken < READ_BYTES; ) {
      if (this.#drain !== drain || this.#master < 0) return false;
      if (this.#stream.isPaused()) return true;
      const count = readNow(this.#master, this.#readBuffer);
      if (count === 0) return taken > 0;
      this.#take(this.#readBuffer.subarray(0, count));
      taken += count;
    }
    return true;
  }

  #writeMarker(drain: MarkerSearch): void {
    if (this.#drain !== drain || this.#slave < 0) return;
    try {
      drain.written += writeSync(this.#slave, drain.marker, drain.written);
    } catch (error) {
      if (!isCode(error, 'EAGAIN')) {
        this.#drained(drain.rest());
        return;
      }
    }
    // The terminal's buffer is full of output: the next reads make room.
    if (drain.written < drain.marker.length) setTimeout(() => this.#writeMarker(drain), 1);
  }

  #drained(after: Uint8Array): void {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.done();
    // Bytes after the marker may contain the next marker.
    if (this.#drain === undefined) this.#drainNext();
    if (after.length > 0) this.#take(after);
  }

  #maybeEnd(): void {
    if (this.#hasEnded && this.#exitReported) this.#events.ended();
  }

  #closeSlave(): void {
    if (this.#slave >= 0) closeSync(this.#slave);
    this.#slave = -1;
  }
}

/** Searches for the marker across reads after it was written. */
class MarkerSearch {
  readonly done: () => void;
  /** Capitals and digits: `stty olcuc` would change small letters on their way. */
  readonly marker = Buffer.from(randomBytes(16).toString('hex').toUpperCase(), 'latin1');
  written = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(done: () => void) {
    this.done = done;
  }

  take(bytes: Uint8Array): { before: Uint8Array; after?: Uint8Array } {
    const all = Buffer.concat([this.#tail, bytes]);
    const at = all.indexOf(this.marker);
    if (at >= 0) {
      this.#tail = Buffer.alloc(0);
      return { before: all.subarray(0, at), after: all.subarray(at + this.marker.length) };
    }
    // The beginning of the marker may be at the end of this read.
    const keep = Math.min(all.length, this.marker.length - 1);
    this.#tail = all.subarray(all.length - keep);
    return { before: all.subarray(0, all.length - keep) };
  }

  /**
   * Returns the bytes that were withheld because the marker might begin there, without the part of the marker in them.
   */
  rest(): Uint8Array {
    for (let length = Math.min(this.written, this.#tail.length); length > 0; length--) {
      const tail = this.#tail.subarray(this.#tail.length - length);
      if (tail.equals(this.marker.subarray(0, length))) return this.#tail.subarray(0, this.#tail.length - length);
    }
    return this.#tail;
  }
}

/** Reads without waiting. Returns 0 at the end of file, on EIO and without data. */
export function readNow(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (isCode(error, 'EAGAIN') || isCode(error, 'EIO')) return 0;
    throw error;
  }
}

export const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code;
