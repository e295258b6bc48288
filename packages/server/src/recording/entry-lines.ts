// Exports a part of a session's log as lines of JSON, exactly as written: each entry with its time and offset, output
// as bytes, and a last line with the beginning of the next part.

import { isOutput } from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';
import { jsonLine } from './jsonl-writer.ts';
import { type ExportWriter, entryBody } from './writer.ts';

export class EntryLines implements ExportWriter {
  readonly #withInput: boolean;
  #offset: number;

  constructor({ since, input }: { readonly since: number; readonly input: boolean }) {
    this.#withInput = input;
    this.#offset = since;
  }

  entry(entry: Entry): string {
    const { kind, time, offset, bytes } = entry;
    if (!isOutput(kind)) {
      return kind === 'input' && !this.#withInput ? '' : jsonLine({ kind, time, offset, data: entryBody(entry) });
    }
    this.#offset = offset + bytes.length;
    // Formatted without JSON.stringify: nothing needs escaping, and a flood is written faster.
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
    return `{"kind":"${kind}","time":${time},"offset":${offset},"bytes":"${base64}"}\n`;
  }

  gap({ from, to, reason }: Pick<Gap, 'from' | 'to' | 'reason'>): string {
    this.#offset = to;
    return jsonLine({ kind: 'gap', offset: from, to, reason });
  }

  /** Returns the last line. Without that line, the part is incomplete. */
  end(isOver: boolean): string {
    return jsonLine({ kind: 'end', offset: this.#offset, isOver });
  }
}
