// Messages of `binnacle emit` on stderr: each kind of problem once, with a hint for this command line, and finally the
// undelivered output.

import { writeSync } from 'node:fs';
import type { EmitDiagnostic, EmitStats } from '@binnacle/emit';
import { hintOf, messageOf } from '../output/failure.ts';

export interface EmitMessageOptions {
  /** Options as given on the command line. */
  readonly session: string | undefined;
  readonly bufferDir: string | undefined;
  readonly flushMs: number;
  /** Source that the command waits for: `the program`, or `stdin`. */
  readonly what: string;
}

/** Codes that mean that the session id was used before. */
const USED = new Set(['session_taken', 'session_exited', 'session_gone', 'stale_epoch']);

export class EmitMessages {
  readonly #setting: EmitMessageOptions;
  readonly #reported: Set<string>;

  constructor(setting: EmitMessageOptions) {
    this.#setting = setting;
    this.#reported = new Set();
  }

  /** Prints at most one line per kind. */
  warn(diagnostic: EmitDiagnostic): void {
    const { kind, code, message, session } = diagnostic;
    // A refusal of an earlier run's events in the directory says nothing about this run.
    const key = this.#isOwn(diagnostic) ? `${kind} of this run` : kind;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    const hint = this.#hintOf(diagnostic);
    const about = kind === 'session_refused' && session !== undefined ? ` (${session})` : '';
    say(`${message}${code === undefined ? '' : ` [${code}]`}${about}${hint === undefined ? '' : ` ${hint}`}`);
  }

  /** Reports that nothing can ever be sent. The kind `unreachable` is then not reported in addition. */
  wrongPlace(error: unknown): void {
    const hint = hintOf(error);
    say(`${messageOf(error)}${hint === undefined ? '' : ` ${hint}`}`);
    this.#reported.add('unreachable');
  }

  wrongStdin(error: Error): void {
    say(`stdin cannot be read: ${error.message}`);
  }

  /** Prints the last line, which includes the emitter's own final message. */
  end({ buffered, bufferedBytes, bufferedSessions, lostBytes }: EmitStats): void {
    const { bufferDir } = this.#setting;
    const storedNote = bufferDir === undefined ? '' : `; they are kept in ${bufferDir}`;
    const sessions = bufferedSessions === 1 ? '1 session' : `${bufferedSessions} sessions`;
    const parts: string[] = [];
    if (buffered > 0 && bufferedBytes > 0)
      parts.push(`${bytesOf(bufferedBytes)} of ${sessions} were not delivered${storedNote}`);
    else if (buffered > 0) parts.push(`some events of ${sessions}, without output, were not delivered${storedNote}`);
    if (lostBytes > 0) parts.push(`${bytesOf(lostBytes)} were lost`);
    if (parts.length > 0) say(`${parts.join(', ')}.`);
    this.#reported.add('left');
  }

  #isOwn({ kind, session }: EmitDiagnostic): boolean {
    return kind === 'session_refused' && session !== undefined && session === this.#setting.session;
  }

  #hintOf(diagnostic: EmitDiagnostic): string | undefined {
    const { kind, code, hint, session } = diagnostic;
    const { bufferDir, flushMs, what } = this.#setting;
    if (kind === 'unreachable') {
      const after = bufferDir === undefined ? '' : `; what is left then is kept in ${bufferDir}`;
      return `The gateway is tried again until ${what} has ended, and ${flushMs / 1000} s more${after}.`;
    }
    if (kind === 'buffer_full') return 'Viewers see how much is missing. For a larger buffer, pass --buffer SIZE.';
    if (this.#isOwn(diagnostic) && USED.has(code ?? ''))
      return `This run is not shown. --session names one run: leave it out or make it unique, e.g. --session ${session}-$(date +%s).`;
    return hint;
  }
}

const bytesOf = (count: number): string => `${count} ${count === 1 ? 'byte' : 'bytes'} of output`;

function say(line: string): void {
  try {
    writeSync(2, `binnacle emit: ${line}\n`);
  } catch {
    // stderr has no reader.
  }
}
