// The keys of a chat on their way to readline: pastes in one line, single keys that answer. Knows no conversation.

import { PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

const PASTE_BEGINS = '\x1b[200~';
const PASTE_ENDS = '\x1b[201~';
/** A line break in what was pasted, as it is shown in the line; a line break of its own would send the line. */
export const LINE_BREAK = '⏎';
const CTRL_E = '\x05';
const ESC = '\x1b';
const CONTROLS = /\p{Cc}/gu;
/** One key that is a sequence, one that is a control, and characters that are text. */
const PARTS = new RegExp(`${ESC}${ESC}?(?:\\[[\\d;]*[@-~]?|O[A-Za-z]?|[^]?)|\\p{Cc}|\\P{Cc}+`, 'gu');

export interface ChatKeys {
  /** True: the key is taken, and is no part of the line. */
  taken(key: string): boolean;
  /**
   * Puts text where the cursor is. Given to readline as several characters at once it would be written without a look at
   * where the row ends, and behind the cursor's line instead of at the cursor.
   */
  insert(text: string): void;
  /** Enter is about to be handed on, with the cursor at the end of the line. */
  entering(): void;
}

export class ChatInput {
  /** What readline reads. */
  readonly stream: PassThrough;
  readonly #keys: ChatKeys;
  readonly #decoder: StringDecoder;
  #isPasting: boolean;
  #held: string;

  constructor(keys: ChatKeys) {
    this.stream = new PassThrough();
    this.#keys = keys;
    this.#decoder = new StringDecoder('utf8');
    this.#isPasting = false;
    this.#held = '';
  }

  push(bytes: Uint8Array): void {
    let text = this.#held + this.#decoder.write(Buffer.from(bytes));
    this.#held = '';
    while (text !== '') {
      const mark = this.#isPasting ? PASTE_ENDS : PASTE_BEGINS;
      const at = text.indexOf(mark);
      if (at >= 0) {
        this.#piece(text.slice(0, at));
        text = text.slice(at + mark.length);
        this.#isPasting = !this.#isPasting;
        continue;
      }
      // The beginning of a mark may be at the end; a lone Escape is not held, so that it is a key.
      const tail = [...mark].findIndex((_, cut) => cut > 0 && text.endsWith(mark.slice(0, mark.length - cut)));
      const kept = tail < 0 ? 0 : mark.length - tail;
      const isHeld = kept > 1 || (kept === 1 && this.#isPasting);
      this.#held = isHeld ? text.slice(-kept) : '';
      this.#piece(isHeld ? text.slice(0, -kept) : text);
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

  /** At once: what is looked at next is what readline made of it. */
  #emit(text: string): void {
    this.stream.emit('data', Buffer.from(text));
  }
}
