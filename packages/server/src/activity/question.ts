// Detects whether the last line of a terminal's output looks like a question to a person. Needs no screen: a line drawn
// with more than colours is part of a program's own screen, and no question.

import { EscapeParser } from '@binnacle/protocol';
import type { LastLine } from './activity-machine.ts';
import { safeLine } from './marks.ts';

/** Maximum bytes of a question, which people read. */
export const QUESTION_BYTES = 512;

const YES_OR_NO = /[[(]\s*y(?:es)?\s*[/|,]\s*n(?:o)?\b[^\])]{0,20}[\])]\s*[:?]?\s*$/i;
/**
 * Pattern of a question. It has words, and a blank after its colon, where the user types: "Compiling:" has none. With a
 * default: `name: (project) `.
 */
const QUESTION = /\p{L}{2}.*(?:\?\s*|:\s+|:\s+\([^()]*\)\s+)$/u;

/**
 * Sequences that questions are drawn with, behind ESC: colours, "clear to the end of the line", cursor shown or hidden,
 * bracketed paste.
 */
const HARMLESS = /^(?:\[[\d;:]*[mK]|\[\?(?:25|2004)[hl]|\(B)$/;
/** Sequences with which Node's readline draws its prompts: move to a column, and "clear what follows". */
const PROMPTING = /^\[\d*[GJ]$/;

/** `tail`: the last bytes of the output. The question is made safe to show. */
export function lastLineOf(tail: Uint8Array): LastLine {
  const text = Buffer.from(tail).toString();
  const from = Math.max(text.lastIndexOf('\n'), text.replace(/\r+$/, '').lastIndexOf('\r'));
  let line = '';
  let movesCursor = false;
  let isPrompt = true;
  const add = (sequence: string): void => {
    if (HARMLESS.test(sequence)) return;
    movesCursor = true;
    isPrompt &&= PROMPTING.test(sequence);
  };
  const parser = new EscapeParser(
    {
      text: (bytes, from, to) => {
        line += Buffer.from(bytes.subarray(from, to)).toString();
      },
      control: (code) => {
        line += String.fromCharCode(code);
      },
      sequence: (bytes, from, to) => add(Buffer.from(bytes.subarray(from + 1, to)).toString('latin1')),
      // Titles and marks do no harm, either.
      string: (bytes, from, _, end) => (end === 'whole' && bytes[from + 1] === 0x5d ? undefined : add('')),
    },
    { c1: 'none' },
  );
  parser.push(Buffer.from(text.slice(from + 1)));
  parser.end();
  const isWhole = from >= 0 || tail.length < QUESTION_BYTES;
  const isQuestion = isPrompt && isWhole && (YES_OR_NO.test(line) || QUESTION.test(line));
  return { question: isQuestion ? safeLine(line) : null, movesCursor };
}
