// Output as text. Characters that are cut between two events stay whole.

import type { OutputKind } from '@binnacle/protocol';
import type { AttachmentEvent } from './attachment.ts';

/** A piece of text from one stream. */
export interface TextPiece {
  /** Stream that it comes from. */
  readonly kind: OutputKind;
  /** Whole characters. Invalid UTF-8 is U+FFFD. */
  readonly text: string;
}

/**
 * Decodes UTF-8 piece by piece, each stream apart: stdout and stderr interleave anywhere.
 *
 * @example
 * ```ts
 * import { TextReader } from '@binnacle/client';
 *
 * const reader = new TextReader();
 * for await (const event of session.attach()) {
 *   if (event.type === 'output') process.stdout.write(reader.read(event.kind, event.bytes));
 *   if (event.type === 'gap') reader.flush();
 * }
 * ```
 */
export class TextReader {
  readonly #decoders = new Map<OutputKind, TextDecoder>();

  /** Returns the characters that are complete, which may be none. Invalid UTF-8 becomes U+FFFD. */
  read(kind: OutputKind, bytes: Uint8Array): string {
    let decoder = this.#decoders.get(kind);
    if (decoder === undefined) {
      // ignoreBOM keeps a byte order mark in the text: a terminal stream has no beginning to strip it from.
      decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      this.#decoders.set(kind, decoder);
    }
    return decoder.decode(bytes, { stream: true });
  }

  /** Returns what is incomplete at the end of the output or before a gap, as U+FFFD, and forgets it. */
  flush(): TextPiece[] {
    const pieces: TextPiece[] = [];
    for (const [kind, decoder] of this.#decoders) {
      const text = decoder.decode();
      if (text !== '') pieces.push({ kind, text });
    }
    return pieces;
  }
}

/**
 * Yields the output of an attachment as text and leaves everything else out.
 *
 * @example
 * ```ts
 * import { textOf } from '@binnacle/client';
 *
 * for await (const { kind, text } of textOf(session.attach())) {
 *   (kind === 'stderr' ? process.stderr : process.stdout).write(text);
 * }
 * ```
 */
export async function* textOf(events: AsyncIterable<AttachmentEvent>): AsyncGenerator<TextPiece, void, undefined> {
  const reader = new TextReader();
  for await (const event of events) {
    if (event.type === 'output') {
      const text = reader.read(event.kind, event.bytes);
      if (text !== '') yield { kind: event.kind, text };
    } else if (event.type === 'gap') {
      yield* reader.flush();
    }
  }
  yield* reader.flush();
}
