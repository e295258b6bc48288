// Characters that nobody sees and that a program reads all the same: controls and escapes, marks that reverse the order
// of text, tags, blanks without a width, and selectors that can spell a hidden text. Names of plugins and programs must
// not contain any, or a person agrees to something other than what is done. Pure.

/** Everything without ink; also a Braille pattern without dots, and a note without a head. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}]/u;
/** Selectors and joiners of emoji: one behind a picture, and the pair that makes a key of a digit. */
const OF_PICTURES = /(\p{Extended_Pictographic}|\p{Emoji_Modifier})\ufe0f?\u200d?|([0-9#*])\ufe0f(?=\u20e3)/gu;
/** Joiners between letters of scripts that are written with them, one at a time. */
const OF_SCRIPTS =
  /(?<=[\p{scx=Arabic}\p{scx=Bengali}\p{scx=Devanagari}\p{scx=Gujarati}\p{scx=Gurmukhi}\p{scx=Kannada}\p{scx=Malayalam}\p{scx=Sinhala}\p{scx=Tamil}\p{scx=Telugu}])(?:\u200c|\u200d)(?=\p{L}|\s|$)/gu;

/**
 * Returns the first invisible character of a text, such as `U+202E`; undefined if all are visible.
 *
 * @example
 * ```ts
 * import { hiddenLetter } from '@binnacle/protocol';
 *
 * console.log(hiddenLetter('List files\u{e0041}')); // 'U+E0041'
 * console.log(hiddenLetter('Look ⚙️')); // undefined
 * ```
 */
export function hiddenLetter(text: string): string | undefined {
  const found = HIDDEN.exec(text.replace(OF_PICTURES, '$1$2').replace(OF_SCRIPTS, ''))?.[0];
  if (found === undefined) return undefined;
  return `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
