// Letters that nobody sees and that a program reads all the same: what a plugin or a program calls itself must not hold
// any, or a person agrees to something else than what is done. Pure.

/**
 * Everything that has no ink of its own: controls and escapes, what turns the order of what is around it, tags, blanks
 * without a width, and selectors that can spell a hidden text. A line feed and a tab are no secret.
 */
const HIDDEN =
  /(?!\n|\t|\u200c|\u200d|\ufe0e|\ufe0f)[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** Joiners and selectors belong to scripts and to emoji, one behind a letter; a row of them is a hidden text. */
const ROW = /(?:\u200c|\u200d|\ufe0e|\ufe0f){2}/u;

/**
 * The first letter of a text that is not seen, as `U+202E`; undefined where everything is.
 *
 * @example
 * hiddenLetter('List files\u{e0041}') // 'U+E0041'
 * hiddenLetter('Look ⚙️') // undefined
 */
export function hiddenLetter(text: string): string | undefined {
  const found = HIDDEN.exec(text)?.[0] ?? ROW.exec(text)?.[0];
  if (found === undefined) return undefined;
  return `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
