// Keys on their way to readline: turns pastes into one line, and single keys into answers.

import { PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

const PASTE_BEGINS = '\x1b[200~';
const PASTE_ENDS = '\x1b[201~';
/** Symbol for a pasted line break in the edited line; a real line break would send the line. */
export const LINE_BREAK = '⏎';
const CTRL_E = '\x05';
const ESC = '\x1b';
const CONTROLS = /\p{Cc}/gu;
/** Matches a key that is a sequence, a control, or a run of text. */
const PARTS = new RegExp(`${ESC}${ESC}?(?:\\[[\\d;]*[@-~]?|O[A-Za-z]?|[^]?)|\\p{Cc}|\\P{Cc}+`, 'gu');

export interface ChatKeys {
  /** Returns true if the key is consumed and not part of the line. */
  taken(key: string): boolean;
  /**
   * Inserts text at the cursor. readline would write several characters at once without wrapping the row, and at the
   * end of the line instead of at the cursor.
   */
  insert(text: string): void;
  /** Called before Enter is passed on, with the cursor at the end of the line. */
  entering(): void;
}

export class ChatInput {
  /** Input stream of readline. */
  readonly stream: PassThrough;
  readonly #keys: ChatKeys;
  readonly #decoder: StringDecoder;
  #isPasting: boolean;
  #pending: string;

  constructor(keys: ChatKeys) {
    this.stream = new PassThrough();
    this.#keys = keys;
    this.#decoder = new StringDecoder('utf8');
    this.#isPasting = false;
    this.#pending = '';
  }

  push(bytes: Uint8Array): void {
    let text = this.#pending + this.#decoder.write(Buffer.from(bytes));
    this.#pending = '';
    while (text !== '') {
      const mark = this.#isPasting ? PASTE_ENDS : PASTE_BEGINS;
      const at = text.indexOf(mark);
      if (at >= 0) {
        this.#piece(text.slice(0, at));
        text = text.slice(at + mark.length);
        this.#isPasting = !this.#isPasting;
        continue;
      }
      // The text may end with the beginning of a mark; a lone Escape is not held back, so that it acts as a key.
      const tail = [...mark].findIndex((_, cut) => cut > 0 && text.endsWith(mark.slice(0, mark.length - cut)));
      const matched = tail < 0 ? 0 : mark.length - tail;
      const isPending = matched > 1 || (matched === 1 && this.#isPasting);
      this.#pending = isPending ? text.slice(-matched) : '';
      this.#piece(isPending ? text.slice(0, -matched) : text);
      return;
    }
  }

  #piece(text: string): void {
    if (text === '') return;
    if (this.#isPasting) {
      this.#keys.insert(
        text
          .replace(/\r\n|\r|\n/g, LINE_BREAK)
          .replaceAll('\t', '    ')
          .replace(CONTROLS, ''),
      );
      return;
    }
    for (const [part] of text.matchAll(PARTS)) {
      if (part === '\r' || part === '\n') {
        this.#emit(CTRL_E);
        this.#keys.entering();
        this.#emit('\r');
      } else if (part.startsWith(ESC) || part < ' ') {
        this.#emit(part);
      } else if ([...part].length > 1) {
        this.#keys.insert(part);
      } else if (!this.#keys.taken(part)) {
        this.#emit(part);
      }
    }
  }

  /** Emits synchronously: the caller then reads the state of readline. */
  #emit(text: string): void {
    this.stream.emit('data', Buffer.from(text));
  }
}
