// Exports a session's log as lines of JSON: the session, then each entry with its time and its offset.

import { isOutput, type OutputKind } from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import { TextCutter } from '../cursor/text-decoder.ts';
import type { Entry } from '../log/log.ts';
import { jsonText } from './asciicast-lines.ts';
import { type ExportWriter, entryBody, type RecordedSession } from './writer.ts';

export class JsonlWriter implements ExportWriter {
  readonly #session: RecordedSession;
  readonly #withInput: boolean;
  readonly #text = new TextCutter();
  /** Per stream: beginning of the bytes that wait for the rest of their character. */
  readonly #pending = new Map<OutputKind, { readonly offset: number; readonly time: number }>();
  #hasBegun = false;

  constructor(session: RecordedSession, options: { readonly input: boolean }) {
    this.#session = session;
    this.#withInput = options.input;
  }

  entry(entry: Entry): string {
    const { kind, time, offset, bytes } = entry;
    const begin = this.#begin();
    if (!isOutput(kind)) {
      if (kind === 'input' && !this.#withInput) return begin;
      return (
        begin + (kind === 'closed' ? this.#flush() : '') + jsonLine({ kind, time, offset, data: entryBody(entry) })
      );
    }
    const { text, incomplete: pendingBytes } = this.#text.cut(kind, bytes);
    const from = this.#pending.get(kind)?.offset ?? offset;
    if (pendingBytes === 0) this.#pending.delete(kind);
    else if (text !== '' || !this.#pending.has(kind))
      this.#pending.set(kind, { offset: offset + bytes.length - pendingBytes, time });
    return begin + (text === '' ? '' : jsonLine({ kind, time, offset: from, text }));
  }

  gap({ from, to, reason }: Pick<Gap, 'from' | 'to' | 'reason'>): string {
    return this.#begin() + this.#flush() + jsonLine({ kind: 'gap', from, to, reason });
  }

  end(isOver: boolean): string {
    return this.#begin() + (isOver ? this.#flush() : '');
  }

  #begin(): string {
    if (this.#hasBegun) return '';
    this.#hasBegun = true;
    const { id, name, mode, argv, cwd, cols, rows, createdAt, foreign } = this.#session;
    return jsonLine({ kind: 'session', id, name, mode, argv, cwd, cols, rows, createdAt, foreign });
  }

  #flush(): string {
    const lines = [...this.#pending].map(([kind, { offset, time }]) =>
      jsonLine({ kind, time, offset, text: this.#text.flush(kind) }),
    );
    this.#pending.clear();
    return lines.join('');
  }
}

export const jsonLine = (value: object): string => `${jsonText(value)}\n`;
