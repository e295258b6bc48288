// Whether the last line of a terminal's output looks like a question to a person. Knows no screen: a line that was drawn
// with more than colours is a program's own, and no question of its.

import type { LastLine } from './activity-machine.ts';
import { safeLine } from './marks.ts';

/** A question is read by people: what is longer is none. */
export const QUESTION_BYTES = 512;

/** Colours, titles and marks, "clear to the end of the line", the cursor shown or hidden, bracketed paste: what questions are drawn with. */
const HARMLESS = /\p{Cc}(?:\[[\d;:]*[mK]|\[\?(?:25|2004)[hl]|\(B|\][^\p{Cc}]*(?:\p{Cc}\\|\p{Cc}))/gu;
const YES_OR_NO = /[[(]\s*y(?:es)?\s*[/|,]\s*n(?:o)?\b[^\])]{0,20}[\])]\s*[:?]?\s*$/i;
/** To a column, and "clear what follows": how Node's readline draws its prompts. */
const PROMPTING = /\p{Cc}\[\d*[GJ]/gu;
/**
 * A question has words. Its colon is followed by a blank, where somebody types: "Compiling:" has none. With a default:
 * `name: (project) `.
 */
const ASKING = /\p{L}{2}.*(?:\?\s*|:\s+|:\s+\([^()]*\)\s+)$/u;

/** `tail`: the last bytes that were written. The question is in words that are safe to show. */
export function lastLineOf(tail: Uint8Array): LastLine {
  const text = Buffer.from(tail).toString();
  const from = Math.max(text.lastIndexOf('\n'), text.replace(/\r+$/, '').lastIndexOf('\r'));
  const plain = text.slice(from + 1).replace(HARMLESS, '');
  const isDrawn = plain.includes('\x1b');
  const line = plain.replace(PROMPTING, '');
  if (line.includes('\x1b')) return { question: null, isDrawn };
  const isWhole = from >= 0 || tail.length < QUESTION_BYTES;
  const question = isWhole && (YES_OR_NO.test(line) || ASKING.test(line)) ? safeLine(line) : null;
  return { question, isDrawn };
}
