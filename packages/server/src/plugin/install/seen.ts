// Whether a person sees what is shown to them: what turns the direction of a text, or is not seen, could make them agree to
// something else.

/** Also a Braille pattern without dots, and a note without a head: for Unicode, both are to be seen. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}]/u;
/** Says that a picture is to have colours. Behind anything else it is not seen. */
const COLOURED = /(\p{Extended_Pictographic})\ufe0f/gu;
/** Marks without a letter, and more of them on one than any script has: they cover the lines around. */
const LOOSE_MARKS = /(?:^|\s)\p{M}|\p{M}{5}/u;

/** A line of text. */
export const isSeen = (text: string): boolean => {
  const plain = text.replace(COLOURED, '$1');
  return !UNSEEN.test(plain) && !LOOSE_MARKS.test(plain);
};
