// Output as text, for those who want strings. Characters that were cut between two events stay whole.

import type { OutputKind } from '@binnacle/protocol';
import type { AttachmentEvent } from './attachment.ts';

export interface TextPiece {
  readonly kind: OutputKind;
  readonly text: string;
}

/** Decodes UTF-8 piece by piece, each kind for itself: stdout and stderr interleave anywhere. */
export class TextReader {
  private readonly decoders: Map<OutputKind, TextDecoder>;

  constructor() {
    this.decoders = new Map();
  }

  /** May be empty while a character is not complete. What is no UTF-8 becomes U+FFFD. */
  read(kind: OutputKind, bytes: Uint8Array): string {
    let decoder = this.decoders.get(kind);
    if (decoder === undefined) {
      // ignoreBOM keeps a byte order mark in the text: a terminal stream has no beginning to strip it from.
      decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      this.decoders.set(kind, decoder);
    }
    return decoder.decode(bytes, { stream: true });
  }

  /** What was incomplete at the end, or before a gap. */
  flush(): TextPiece[] {
    const pieces: TextPiece[] = [];
    for (const [kind, decoder] of this.decoders) {
      const text = decoder.decode();
      if (text !== '') pieces.push({ kind, text });
    }
    return pieces;
  }
}

/** The output of an attachment as text; everything else is left out. */
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
