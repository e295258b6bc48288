// What the frames of the session socket look like. What is done with them is in session-socket.ts.

import { constants } from 'node:os';
import type { Code, OutputKind, Scope } from '@binnacle/protocol';
import { z } from 'zod';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Session } from '../../sessions/session.ts';
import type { ServerFrame } from '../schemas/session-frames.ts';

/** Text is a JSON frame, bytes a binary one. */
export type Sendable = object | Uint8Array;

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** How a dialect of this protocol looks on the wire. What is done is the same in all. */
export interface Wire {
  /** `isReplay`: it was written before the viewer came. */
  output(kind: OutputKind, bytes: Uint8Array, offset: number, isReplay: boolean): readonly Sendable[];
  /** Returns what waits for the rest of a character that will not come. */
  rest(isReplay: boolean): readonly Sendable[];
  /** `liveFrom`: the offset at which live output begins. */
  connected(session: Session, liveFrom: number, isReadOnly: boolean): Sendable;
  exit(exit: Exit): Sendable;
  readonly ping: Sendable | undefined;
  /** The reason that goes with a close code. */
  reason(code: Code | 'exit'): string;
  /** Text of what is no frame of a client. */
  parse(data: Buffer, isBinary: boolean): ClientFrame | { readonly type: 'invalid'; readonly why: string };
}

export type ClientFrame =
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

/** Scopes that the frames need. */
export const SESSION_SCOPES: Readonly<Record<ClientFrame['type'], Scope>> = {
  ...{ stdin: 'input', signal: 'input', resize: 'input' },
  ...{ ping: 'view', pong: 'view' },
};

export type Encoding = 'text' | 'base64';

/** JSON both ways: the sandbox daemon's own, as seed 003 has it, with the offset in all that carries output. */
export class JsonWire implements Wire {
  readonly #text = new TextCutter();
  readonly #encoding: Encoding;
  /** Offset behind the output that was said last. */
  #said: number;
  /** Offset behind the output that was given last. */
  #end: number;
  readonly ping = { type: 'ping' } satisfies ServerFrame;

  /** `held`: by stream, the beginnings of characters that stand before `from`; see `heldBefore`. */
  constructor(encoding: Encoding, from: number, held: ReadonlyMap<OutputKind, Uint8Array> = new Map()) {
    this.#encoding = encoding;
    this.#said = from;
    this.#end = from;
    for (const [kind, bytes] of held) this.#text.begin(kind, bytes);
  }

  output(kind: OutputKind, bytes: Uint8Array, offset: number, isReplay: boolean): readonly ServerFrame[] {
    this.#end = offset + bytes.length;
    if (this.#encoding === 'base64') {
      const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
      return [this.#frame(kind, data, offset + bytes.length, isReplay)];
    }
    // Held bytes are said later, and so is their offset.
    const { text, held } = this.#text.cut(kind, bytes);
    return text === '' ? [] : [this.#frame(kind, text, offset + bytes.length - held, isReplay)];
  }

  rest(isReplay: boolean): readonly ServerFrame[] {
    return (['tty', 'stdout', 'stderr'] as const).flatMap((kind) => {
      const text = this.#text.flush(kind);
      return text === '' ? [] : [this.#frame(kind, text, this.#end, isReplay)];
    });
  }

  connected(session: Session): ServerFrame {
    return { type: 'connected', session_id: session.id, mode: session.record.spec.mode, offset: this.#said };
  }

  exit(exit: Exit): ServerFrame {
    return { type: 'exit', exit_code: codeOf(exit) };
  }

  reason(code: Code | 'exit'): string {
    return code;
  }

  parse(data: Buffer, isBinary: boolean) {
    return isBinary
      ? ({ type: 'invalid', why: 'binary frames are not taken here' } as const)
      : parseJsonFrame(data.toString());
  }

  #frame(kind: OutputKind, data: string, offset: number, isReplay: boolean): ServerFrame {
    this.#said = offset;
    return { type: isReplay ? 'replay' : kind === 'stderr' ? 'stderr' : 'stdout', offset, data };
  }
}

export function parseJsonFrame(text: string): ReturnType<Wire['parse']> {
  const parsed = SessionRequests.safeParse(parseJson(text));
  if (!parsed.success) return { type: 'invalid', why: parsed.error.issues[0]?.message ?? 'no frame' };
  const frame = parsed.data;
  return frame.type === 'stdin' ? { type: 'stdin', bytes: Buffer.from(frame.data) } : frame;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says that this is no frame.
  }
}

/** The protocol has a number only; a signal becomes 128 + n, as shells say it. */
export function codeOf({ exitCode, signal }: Exit): number {
  return exitCode ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
