// The check for text that a person sees as it is: hidden characters, or characters that change the direction of text,
// could obtain consent to something else.

import { hiddenLetter } from '@binnacle/protocol';

/** Marks without a letter, or more marks on one letter than any script has: they cover the lines around. */
const LOOSE_MARKS = /(?:^|\s)\p{M}|\p{M}{5}/u;

/** Returns true for one line of visible text. */
export const isSeen = (text: string): boolean =>
  hiddenLetter(text) === undefined && !/[\n\t]/.test(text) && !LOOSE_MARKS.test(text);
