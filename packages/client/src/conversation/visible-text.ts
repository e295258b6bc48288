// Text made visible, so that it cannot deceive its reader: above all what an agent requests approval for. Pure.

import type { ApprovalOption } from '@binnacle/protocol';

/** Ink in a cell of its own, or the plain space. Later additions to Unicode do not count. */
const INK = /^[\p{L}\p{N}\p{P}\p{S} ]$/u;
/**
 * Exceptions that are empty all the same (fillers, blank braille, hieroglyphs and notes, an object that is not there), vowels
 * and ends of Korean syllables, which join what is before them, and the brackets that are our own sign.
 */
const NO_INK =
  /^[\p{Default_Ignorable_Code_Point}\u1160-\u11ff\u2800\ud7b0-\ud7ff\ufffc\u{13441}\u{13442}\u{1d159}⟨⟩]$/u;
const LETTER = /^\p{L}$/u;
/**
 * Marks on letters that people write, in pieces also where a system takes names of files apart (macOS): no strokes through
 * the letter, no frames around it, nothing that only instructs a font.
 */
const MARK = /^(?!\p{Cn})[\u0300-\u0333\u0339-\u034e\u0350-\u036f\u3099\u309a\u1160-\u11ff\ud7b0-\ud7ff]$/u;
const MARK_OF_SCRIPT =
  /^(?=[\p{Mn}\p{Mc}])[\p{scx=Arabic}\p{scx=Bengali}\p{scx=Devanagari}\p{scx=Gujarati}\p{scx=Gurmukhi}\p{scx=Hebrew}\p{scx=Kannada}\p{scx=Lao}\p{scx=Malayalam}\p{scx=Tamil}\p{scx=Telugu}\p{scx=Thai}]$/u;
const IGNORABLE = /^\p{Default_Ignorable_Code_Point}$/u;
/** More marks on one letter than any of these scripts needs would cover the lines around it. */
const MAX_MARKS = 2;

const NAMES: Readonly<Record<number, string>> = {
  0: 'NUL',
  7: 'BEL',
  8: 'BS',
  9: 'TAB',
  10: 'LF',
  11: 'VT',
  12: 'FF',
  13: 'CR',
  27: 'ESC',
  127: 'DEL',
};

function signOf(code: number): string {
  return `⟨${NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, '0')}`}⟩`;
}

/**
 * Returns the text so that nothing in it acts, hides or changes the order: each character without ink becomes a sign
 * (`⟨ESC⟩`, `⟨U+202E⟩`), except spaces and line feeds. Two different texts never look the same. Letters that are
 * written from right to left stay; the page keeps their order (CSS: `bidi-override`).
 */
export function visibleText(text: string): string {
  // All of nearly every command.
  if (/^[ -~\n]*$/.test(text)) return text;
  let shown = '';
  /** Marks that the letter before may still get. */
  let marks = 0;
  for (const char of text) {
    if (char === '\n') {
      shown += char;
      marks = 0;
    } else if (INK.test(char) && !NO_INK.test(char)) {
      shown += char;
      marks = LETTER.test(char) ? MAX_MARKS : 0;
    } else if (marks > 0 && (MARK.test(char) || MARK_OF_SCRIPT.test(char)) && !IGNORABLE.test(char)) {
      shown += char;
      marks -= 1;
    } else {
      shown += signOf(char.codePointAt(0) ?? 0);
      marks = 0;
    }
  }
  return shown;
}

/** Returns the same for text of one line: a line feed becomes a sign, too. */
export const visibleLine = (text: string): string => visibleText(text).replaceAll('\n', signOf(0x0a));

const ALLOWS = /^(always )?(allow|yes|accept|approve|permit)\b/i;
const DENIES = /^(deny|no|never|reject|decline|don['’]t allow)\b/i;
const DENIES_SOMEWHERE = /\b(deny|deni|no|not|never|reject|decline|don['’]t|refuse|cancel)/i;
const ALWAYS = /\b(always|never|(in|for) this (conversation|session|project)|from now on|everywhere)\b/i;
/** A label that is made up as several, or as one with our words. */
const POSES = /[[\]⟨“”"|│]| {2}/;

const KIND_LABELS: Readonly<Record<ApprovalOption['kind'], string>> = {
  allow_once: 'Allow once',
  allow_always: 'Allow always',
  deny_once: 'Deny',
  deny_always: 'Deny always',
};

/** Returns what an option of an approval does, whatever the agent calls it. */
export const optionKind = ({ kind }: Pick<ApprovalOption, 'kind'>): string => KIND_LABELS[kind] ?? 'Unknown';

/**
 * Returns the agent's label of an option on one line. What the option does stands in front where the label does not
 * plainly say it.
 *
 * @example
 * ```ts
 * import { optionLabel, visibleText } from '@binnacle/client';
 *
 * for (const { detail, options } of (await conversation.info()).approvals) {
 *   console.log(visibleText(detail), options.map(optionLabel));
 * }
 * ```
 */
export function optionLabel(option: Pick<ApprovalOption, 'kind' | 'label'>): string {
  const label = visibleLine(option.label);
  return isPlain(label, option.kind) ? label : `${optionKind(option)}: “${label}”`;
}

function isPlain(label: string, kind: ApprovalOption['kind']): boolean {
  if (POSES.test(label)) return false;
  const isAlways = ALWAYS.test(label);
  if (kind === 'allow_once') return ALLOWS.test(label) && !DENIES_SOMEWHERE.test(label) && !isAlways;
  if (kind === 'allow_always') return ALLOWS.test(label) && !DENIES_SOMEWHERE.test(label) && isAlways;
  if (kind === 'deny_once') return DENIES.test(label) && !isAlways;
  return DENIES.test(label) && isAlways;
}
