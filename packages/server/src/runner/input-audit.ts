// The audit entries for input in a log: the author and the number of bytes, without the bytes.

import type { EntryData } from '@binnacle/protocol';

/**
 * Interval of audit entries for input. Keystrokes are summed up to one entry per second: one entry per keystroke would
 * cost more than the recorded echo.
 */
const INPUT_AUDIT_MS = 1000;

export class InputAudit {
  readonly #append: (entry: EntryData['input']) => void;
  /** Input that is in no entry yet, of one author. */
  #sum: { by: string; bytes: number; n?: number } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(append: (entry: EntryData['input']) => void) {
    this.#append = append;
  }

  /** Counts accepted input. `n`: number of the message, if the client numbers its messages. */
  add(by: string, bytes: number, n: number | undefined): void {
    if (this.#sum !== undefined && this.#sum.by !== by) this.flush();
    this.#sum ??= { by, bytes: 0 };
    this.#sum.bytes += bytes;
    if (n !== undefined) this.#sum.n = n;
    this.#timer ??= setTimeout(() => this.flush(), INPUT_AUDIT_MS);
  }

  /** Appends the entry of the input so far. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sum === undefined) return;
    const entry = this.#sum;
    this.#sum = undefined;
    this.#append(entry);
  }
}
