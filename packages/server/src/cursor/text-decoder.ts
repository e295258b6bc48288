// Cuts bytes into text without broken characters: the first bytes of a character wait for the rest, per stream.

import type { OutputKind } from '@binnacle/protocol';

export class TextCutter {
  readonly #decoders = new Map<OutputKind, { decoder: InstanceType<typeof TextDecoder>; incomplete: Uint8Array }>();

  /**
   * Returns the complete text, and the number of bytes at the end that are incomplete. Bytes that are invalid in UTF-8
   * become U+FFFD at once.
   */
  cut(kind: OutputKind, bytes: Uint8Array): { readonly text: string; readonly incomplete: number } {
    let state = this.#decoders.get(kind);
    if (state === undefined) {
      state = { decoder: new TextDecoder('utf-8', { ignoreBOM: true }), incomplete: new Uint8Array(0) };
      this.#decoders.set(kind, state);
    }
    const all = state.incomplete.length === 0 ? bytes : joined(state.incomplete, bytes);
    const incomplete = incompleteBytes(all);
    const text = state.decoder.decode(all.subarray(0, all.length - incomplete));
    state.incomplete = Uint8Array.from(all.subarray(all.length - incomplete));
    return { text, incomplete };
  }

  /** Starts inside a character: `incomplete` are its first bytes, which were cut off before. */
  begin(kind: OutputKind, incomplete: Uint8Array): void {
    this.#decoders.set(kind, {
      decoder: new TextDecoder('utf-8', { ignoreBOM: true }),
      incomplete: Uint8Array.from(incomplete),
    });
  }

  /** Returns the replacement of an incomplete character at the end of the stream. */
  flush(kind: OutputKind): string {
    const incomplete = this.#decoders.get(kind)?.incomplete ?? new Uint8Array(0);
    this.#decoders.delete(kind);
    return new TextDecoder().decode(incomplete);
  }
}

/** Returns the number of bytes at the end that begin a valid but incomplete character: 0 to 3. */
export function incompleteBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue; // a byte inside a character: the first byte is further back
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    if (byte > 0xf4 || back >= length) return 0;
    return canContinue(byte, back > 1 ? (bytes[bytes.length - back + 1] ?? 0) : undefined) ? back : 0;
  }
  return 0;
}

/**
 * Returns whether `second` may follow: some first bytes allow only a part of the second ones (overlong forms,
 * surrogates, beyond U+10FFFF).
 */
function canContinue(first: number, second: number | undefined): boolean {
  if (second === undefined) return true;
  if (first === 0xe0) return second >= 0xa0;
  if (first === 0xed) return second <= 0x9f;
  if (first === 0xf0) return second >= 0x90;
  if (first === 0xf4) return second <= 0x8f;
  return true;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
