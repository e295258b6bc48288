// Colours and tables for people. Knows no command.

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** Plain where the stream is no terminal, or NO_COLOR is set (https://no-color.org). */
export function style(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Style {
  const plain = stream.isTTY !== true || (env.NO_COLOR !== undefined && env.NO_COLOR !== '') || env.TERM === 'dumb';
  const paint = (on: number, off: number) => (text: string) => (plain ? text : `\x1b[${on}m${text}\x1b[${off}m`);
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/** Names and commands come from programs and people; in a list they may not move the cursor or pose as another line. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·');

/** Columns by the widest cell, two spaces between; the last one is cut at `width` columns. */
export function table(rows: readonly (readonly string[])[], width: number): string {
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const widths = Array.from({ length: columns }, (_, at) =>
    rows.reduce((most, row) => Math.max(most, chars(row[at] ?? '')), 0),
  );
  const lines = rows.map((row) => {
    const padded = row.slice(0, -1).map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - chars(cell)));
    const used = widths.slice(0, -1).reduce((sum, cell) => sum + cell + 2, 0);
    return [...padded, cut(row.at(-1) ?? '', Math.max(12, width - used))].join('  ').trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

const SGR = new RegExp(`${String.fromCharCode(0x1b)}\\[[0-9;]*m`, 'g'); // what `style` adds
const chars = (text: string): number => [...text.replace(SGR, '')].length;
const cut = (text: string, width: number): string =>
  chars(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`;
