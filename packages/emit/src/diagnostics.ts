// Diagnostics of an emitter in trouble, for a person: each kind once, however often it happens.

import { writeSync } from 'node:fs';

/** Kind of a diagnostic. */
export type EmitDiagnosticKind =
  /** The gateway cannot be reached, or fails. It is tried again. */
  | 'unreachable'
  /** The gateway refuses whatever we send: token, scope, address. It is tried again every 30 s at most. */
  | 'not_allowed'
  /** A session was refused for good. Others go on. */
  | 'session_refused'
  /** There is no room: output is dropped, and counted. */
  | 'buffer_full'
  /** The buffer on disk cannot be used; memory is. */
  | 'disk'
  /** A part of the buffer on disk could not be read back. */
  | 'damaged'
  /** Something was over a limit, and was cut or left out. */
  | 'clipped'
  /** The gateway rejects the clock of this machine: events are sent without a time. */
  | 'clock'
  /** Output came for a session that has ended. */
  | 'after_end'
  /** The gateway had an event already that we had not sent: two sessions have one id. */
  | 'unexpected_duplicate'
  /** The process ends, and not everything is delivered. */
  | 'left';

/** A problem of the emitter, for `onDiagnostic`. */
export interface EmitDiagnostic {
  /** Kind, to branch on. */
  readonly kind: EmitDiagnosticKind;
  /** Text for people. */
  readonly message: string;
  /** Code of the gateway's answer. */
  readonly code?: string;
  /** Remedy, for people. */
  readonly hint?: string;
  /** Id of the session at the emitter, if it is about one. */
  readonly session?: string;
}

export class Diagnostics {
  private readonly listener: ((diagnostic: EmitDiagnostic) => void) | undefined;
  private readonly reported: Set<string>;

  constructor(listener: ((diagnostic: EmitDiagnostic) => void) | undefined) {
    this.listener = listener;
    this.reported = new Set();
  }

  /** Never throws: a broken stderr or listener is no reason to end the program that emits. */
  report(diagnostic: EmitDiagnostic): void {
    // Each session that is given up is news to a listener; on stderr a thousand of them would be noise.
    const isSession = diagnostic.kind === 'session_refused' && this.listener !== undefined;
    const key = `${diagnostic.kind} ${diagnostic.code ?? ''}`;
    if (!isSession && this.reported.has(key)) return;
    this.reported.add(key);
    try {
      if (this.listener !== undefined) this.listener(diagnostic);
      else writeSync(2, `${lineOf(diagnostic)}\n`);
    } catch {
      // The listener is broken, and there is no other.
    }
  }
}

export function lineOf({ kind, message, code, hint, session }: EmitDiagnostic): string {
  const about = session === undefined ? '' : ` (session ${session})`;
  return `binnacle emit: ${message}${about} [${code ?? kind}]${hint === undefined ? '' : ` ${hint}`}`;
}
