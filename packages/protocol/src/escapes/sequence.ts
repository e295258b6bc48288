// Parts of one escape sequence, and text without colours.

/** One escape sequence, as terminals interpret it: without the controls inside, one character per unit. */
export type EscapeSequence =
  | { readonly kind: 'csi'; readonly parameters: string; readonly final: string }
  /** `introducer`: `]` OSC, `P` DCS, `X` SOS, `^` PM, `_` APC. */
  | { readonly kind: 'string'; readonly introducer: string; readonly content: string }
  /** `text`: intermediates and the final character, behind ESC. */
  | { readonly kind: 'escape'; readonly text: string };

const TERMINATORS = ['\x07', '\x1b\\', '\xc2\x9c', '\x9c'];

/**
 * Returns the parts of a sequence that an `EscapeParser` found: the units from `from` up to `to`.
 *
 * @example
 * ```ts
 * import { sequenceOf } from '@binnacle/protocol';
 *
 * const units = new TextEncoder().encode('\u001b[?25l');
 * console.log(sequenceOf(units, 0, units.length)); // { kind: 'csi', parameters: '?25', final: 'l' }
 * ```
 */
export function sequenceOf(units: Uint8Array, from: number, to: number): EscapeSequence {
  let text = '';
  for (let i = from; i < to; i += 1) {
    const unit = units[i] as number;
    const isInside = unit < 0x20 || unit === 0x7f;
    if (!isInside || i === from || (i >= to - 2 && isTerminator(units, i, to))) text += String.fromCharCode(unit);
  }
  const first = text.charCodeAt(0);
  if (first >= 0x80) {
    // A C1 control is the equivalent of ESC and the character 0x40 below it.
    const length = first === 0xc2 ? 2 : 1;
    text = `\x1b${String.fromCharCode(text.charCodeAt(length - 1) - 0x40)}${text.slice(length)}`;
  }
  const introducer = text.slice(1, 2);
  if (introducer === '[') return { kind: 'csi', parameters: text.slice(2, -1), final: text.slice(-1) };
  if (introducer === '' || !']PX^_'.includes(introducer)) return { kind: 'escape', text: text.slice(1) };
  const terminator = TERMINATORS.find((end) => text.endsWith(end)) ?? '';
  return { kind: 'string', introducer, content: text.slice(2, text.length - terminator.length) };
}

/** True for BEL at the end, and for the ESC of ST. */
const isTerminator = (units: Uint8Array, at: number, to: number): boolean =>
  at === to - 1 ? units[at] === 0x07 : units[at] === 0x1b && units[to - 1] === 0x5c;

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const COLOURS = /\u001b\[[0-9;:]*m/g;

/**
 * Returns a text without its colours (SGR); other sequences stay.
 *
 * @example
 * ```ts
 * import { withoutColours } from '@binnacle/protocol';
 *
 * console.log(withoutColours('\u001b[31mred\u001b[0m')); // 'red'
 * ```
 */
export const withoutColours = (text: string): string => text.replace(COLOURS, '');
