// Detects whether the last line of a terminal's output looks like a question to a person. Needs no screen: a line drawn
// with more than colours is part of a program's own screen, and no question.

import type { LastLine } from './activity-machine.ts';
import { safeLine } from './marks.ts';

/** Maximum bytes of a question, which people read. */
export const QUESTION_BYTES = 512;

/**
 * Sequences that questions are drawn with: colours, titles and marks, "clear to the end of the line", cursor shown or
 * hidden, bracketed paste.
 */
const HARMLESS = /\p{Cc}(?:\[[\d;:]*[mK]|\[\?(?:25|2004)[hl]|\(B|\][^\p{Cc}]*(?:\p{Cc}\\|\p{Cc}))/gu;
const YES_OR_NO = /[[(]\s*y(?:es)?\s*[/|,]\s*n(?:o)?\b[^\])]{0,20}[\])]\s*[:?]?\s*$/i;
/** Sequences with which Node's readline draws its prompts: move to a column, and "clear what follows". */
const PROMPTING = /\p{Cc}\[\d*[GJ]/gu;
/**
 * Pattern of a question. It has words, and a blank after its colon, where the user types: "Compiling:" has none. With a
 * default: `name: (project) `.
 */
const QUESTION = /\p{L}{2}.*(?:\?\s*|:\s+|:\s+\([^()]*\)\s+)$/u;

/** `tail`: the last bytes of the output. The question is made safe to show. */
export function lastLineOf(tail: Uint8Array): LastLine {
  const text = Buffer.from(tail).toString();
  const from = Math.max(text.lastIndexOf('\n'), text.replace(/\r+$/, '').lastIndexOf('\r'));
  const plain = text.slice(from + 1).replace(HARMLESS, '');
  const movesCursor = plain.includes('\x1b');
  const line = plain.replace(PROMPTING, '');
  if (line.includes('\x1b')) return { question: null, movesCursor };
  const isWhole = from >= 0 || tail.length < QUESTION_BYTES;
  const question = isWhole && (YES_OR_NO.test(line) || QUESTION.test(line)) ? safeLine(line) : null;
  return { question, movesCursor };
}
