// Untrusted text, made safe for one line: names, titles and questions of programs and people.

/** Characters that act, reorder text, or have no ink: a blank in their place keeps words apart. */
const ACTING =
  /[\p{Cc}\p{Co}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\ufeff\ufff9-\ufffc\u{13441}\u{13442}\u{1d159}]+/gu;
/** Other characters without a width, except joiners and variation selectors: two names with them would look alike. */
const UNSEEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}/gu;
/** Joiners and selectors without neighbours to join. */
const IDLE_JOINER =
  /(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])(?:\u200c|\u200d)|(?:\u200c|\u200d)(?![\p{L}\p{Extended_Pictographic}])|(?<![\p{Extended_Pictographic}0-9#*])(?:\ufe0e|\ufe0f)/gu;

/** Limits and replacements of a text in one line. */
export interface SingleLineOptions {
  /** Maximum characters, the ellipsis included. Default: unlimited. */
  readonly max?: number;
  /** Text in place of characters that act. Default: a space. */
  readonly replacement?: string;
  /** End of a text that was cut. Default `…`. */
  readonly ellipsis?: string;
  /** True if a run of blanks becomes one space. Default false. */
  readonly collapses?: boolean;
}

/**
 * Makes untrusted text safe for one line: without control characters, line breaks, direction marks, private characters,
 * and invisible characters that make two texts look alike. Joiners between letters or emoji stay.
 *
 * @example
 * ```ts
 * import { singleLine } from '@binnacle/protocol';
 *
 * console.log(singleLine('build\n\u202edone')); // 'build done'
 * console.log(singleLine('a long name', { max: 7 })); // 'a long…'
 * ```
 */
export function singleLine(text: string, options: SingleLineOptions = {}): string {
  const { max = Number.POSITIVE_INFINITY, replacement = ' ', ellipsis = '…', collapses = false } = options;
  // Beside a blank there is no second one.
  const visible = text
    .replace(ACTING, (run, at: number, whole: string) =>
      replacement === ' ' && /\s/.test(whole.charAt(at - 1) + whole.charAt(at + run.length)) ? '' : replacement,
    )
    .replace(UNSEEN, '')
    .replace(IDLE_JOINER, '');
  const line = (collapses ? visible.replace(/\s+/gu, ' ') : visible).trim();
  if (line.length <= max) return line;
  const characters = [...line];
  if (characters.length <= max) return line;
  return `${characters.slice(0, Math.max(0, max - ellipsis.length)).join('')}${ellipsis}`;
}
