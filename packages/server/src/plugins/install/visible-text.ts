// Whether a person sees what is shown to them: what turns the direction of a text, or is not seen, could make them agree to
// something else.

import { hiddenLetter } from '@binnacle/protocol';

/** Marks without a letter, and more of them on one than any script has: they cover the lines around. */
const LOOSE_MARKS = /(?:^|\s)\p{M}|\p{M}{5}/u;

/** A line of text. */
export const isSeen = (text: string): boolean =>
  hiddenLetter(text) === undefined && !/[\n\t]/.test(text) && !LOOSE_MARKS.test(text);
