// Formats of the frames of the session socket. session-socket.ts has their behavior.

import { constants } from 'node:os';
import type { Code, OutputKind, Scope } from '@binnacle/protocol';
import { z } from 'zod';
import { parseShallowJson } from '../../base/json-depth.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Session } from '../../sessions/session.ts';
import type { ServerFrame } from '../schemas/session-frames.ts';

/** An object becomes a JSON text frame, bytes a binary frame. */
export type OutgoingFrame = object | Uint8Array;

export interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A dialect of the session socket: only the encoding differs between dialects. */
export interface SocketDialect {
  /** Encodes output. `isReplay`: the output is older than the connection. */
  output(kind: OutputKind, bytes: Uint8Array, offset: number, isReplay: boolean): readonly OutgoingFrame[];
  /** Returns the bytes of an incomplete character that will not be completed. */
  rest(isReplay: boolean): readonly OutgoingFrame[];
  /** `liveFrom`: the offset at which live output begins. */
  connected(session: Session, liveFrom: number, isReadOnly: boolean): OutgoingFrame;
  exit(exit: ProgramExit): OutgoingFrame;
  readonly ping: OutgoingFrame | undefined;
  /** Returns the reason for a close code. */
  reason(code: Code | 'exit'): string;
  /** Parses a client frame; `why` is the text for an invalid frame. */
  parse(data: Buffer, isBinary: boolean): SessionClientFrame | { readonly type: 'invalid'; readonly why: string };
}

export type SessionClientFrame =
  | { readonly type: 'stdin'; readonly bytes: Buffer }
  | { readonly type: 'signal'; readonly signal: string }
  | { readonly type: 'resize'; readonly cols: number; readonly rows: number }
  | { readonly type: 'ping' | 'pong' };

export const SessionRequests = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stdin'), data: z.string() }),
  z.object({ type: z.literal('signal'), signal: z.string() }),
  z.object({ type: z.literal('resize'), cols: z.int().min(1).max(65_535), rows: z.int().min(1).max(65_535) }),
  z.object({ type: z.literal('ping') }),
  z.object({ type: z.literal('pong') }),
]);

/** Required scope for each frame. */
export const SESSION_SCOPES: Readonly<Record<SessionClientFrame['type'], Scope>> = {
  ...{ stdin: 'input', signal: 'input', resize: 'input' },
  ...{ ping: 'view', pong: 'view' },
};

export type Encoding = 'text' | 'base64';

/**
 * JSON in both directions: the format of the sandbox daemon as seed 003 has it, with the offset in every frame that has
 * output.
 */
export class JsonDialect implements SocketDialect {
  readonly #text = new TextCutter();
  readonly #encoding: Encoding;
  /** Offset after the output of the last frame. */
  #sentOffset: number;
  /** Offset after the last output passed to this encoder. */
  #end: number;
  readonly ping = { type: 'ping' } satisfies ServerFrame;

  /** `incompleteBytes`: by stream, the first bytes of characters that begin before `from`; see `partialCharactersAt`. */
  constructor(encoding: Encoding, from: number, incompleteBytes: ReadonlyMap<OutputKind, Uint8Array> = new Map()) {
    this.#encoding = encoding;
    this.#sentOffset = from;
    this.#end = from;
    for (const [kind, bytes] of incompleteBytes) this.#text.begin(kind, bytes);
  }

  output(kind: OutputKind, bytes: Uint8Array, offset: number, isReplay: boolean): readonly ServerFrame[] {
    this.#end = offset + bytes.length;
    if (this.#encoding === 'base64') {
      const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
      return [this.#frame(kind, data, offset + bytes.length, isReplay)];
    }
    // Bytes of an incomplete character are sent later, and the offset counts only sent bytes.
    const { text, incomplete: incompleteBytes } = this.#text.cut(kind, bytes);
    return text === '' ? [] : [this.#frame(kind, text, offset + bytes.length - incompleteBytes, isReplay)];
  }

  rest(isReplay: boolean): readonly ServerFrame[] {
    return (['tty', 'stdout', 'stderr'] as const).flatMap((kind) => {
      const text = this.#text.flush(kind);
      return text === '' ? [] : [this.#frame(kind, text, this.#end, isReplay)];
    });
  }

  connected(session: Session): ServerFrame {
    return { type: 'connected', session_id: session.id, mode: session.record.spec.mode, offset: this.#sentOffset };
  }

  exit(exit: ProgramExit): ServerFrame {
    return { type: 'exit', exit_code: codeOf(exit) };
  }

  reason(code: Code | 'exit'): string {
    return code;
  }

  parse(data: Buffer, isBinary: boolean) {
    return isBinary ? ({ type: 'invalid', why: 'binary frames are not taken here' } as const) : parseJsonFrame(data);
  }

  #frame(kind: OutputKind, data: string, offset: number, isReplay: boolean): ServerFrame {
    this.#sentOffset = offset;
    return { type: isReplay ? 'replay' : kind === 'stderr' ? 'stderr' : 'stdout', offset, data };
  }
}

export function parseJsonFrame(bytes: Buffer): ReturnType<SocketDialect['parse']> {
  const parsed = SessionRequests.safeParse(parseJson(bytes));
  if (!parsed.success) return { type: 'invalid', why: parsed.error.issues[0]?.message ?? 'no frame' };
  const frame = parsed.data;
  return frame.type === 'stdin' ? { type: 'stdin', bytes: Buffer.from(frame.data) } : frame;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return parseShallowJson(bytes);
  } catch {
    return undefined; // The schema then rejects the frame.
  }
}

/** Returns the exit code. The protocol has a number only; a signal becomes 128 + n, as in shells. */
export function codeOf({ exitCode, signal }: ProgramExit): number {
  return exitCode ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
