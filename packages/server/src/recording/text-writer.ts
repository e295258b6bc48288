// Exports a session's output as plain text: no escape sequences, no control characters, a line for each gap.

import { isOutput, type OutputKind } from '@binnacle/protocol';
import { PlainText } from '../cursor/plain-text.ts';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';
import { type ExportWriter, gapText } from './writer.ts';

export class TextWriter implements ExportWriter {
  readonly #streams = new PlainStreams();
  #atLineStart = true;

  entry({ kind, bytes }: Entry): string {
    return isOutput(kind) ? this.#write(this.#streams.push(kind, bytes)) : '';
  }

  gap(gap: Pick<Gap, 'from' | 'to' | 'reason'>): string {
    const rest = this.#write(this.#streams.flush());
    return `${rest}${this.#atLineStart ? '' : '\n'}${this.#write(`[${gapText(gap)}]\n`)}`;
  }

  end(isOver: boolean): string {
    return isOver ? this.#write(this.#streams.flush()) : '';
  }

  #write(text: string): string {
    if (text !== '') this.#atLineStart = text.endsWith('\n');
    return text;
  }
}

/** Plain text of each stream, which has sequences and characters of its own. */
export class PlainStreams {
  readonly #plain = new Map<OutputKind, PlainText>();

  push(kind: OutputKind, bytes: Uint8Array): string {
    let plain = this.#plain.get(kind);
    if (plain === undefined) {
      plain = new PlainText();
      this.#plain.set(kind, plain);
    }
    return textOf(plain.push(bytes));
  }

  /** Returns the waiting bytes, which are no complete sequence or character. */
  flush(): string {
    return [...this.#plain.values()].map((plain) => textOf(plain.flush())).join('');
  }
}

const textOf = (pieces: ReturnType<PlainText['push']>): string => pieces.map(({ text }) => text).join('');
