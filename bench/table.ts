// What a line of the bench gives, and how it is printed. Knows no measurement.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

export interface Row {
  readonly goal: string;
  readonly what: string;
  /** Ours, in the unit that the text names. */
  readonly ours: string;
  readonly other: string;
  /** Median of the paired ratios, with their range. */
  readonly ratio: string;
  readonly aim: string;
  /** Undefined where there is no aim, or nobody to compare with. */
  readonly holds?: boolean;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: percentile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    n: sorted.length,
  };
}

/** Of values that are sorted already. The middle of two for an even count. */
export function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return share === 0.5
    ? (low + high) / 2
    : (sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? low);
}

export const median = (values: readonly number[]): number => spread(values).median;

/** Ratios of runs that were made next to each other. */
export const ratios = (ours: readonly number[], others: readonly number[]): number[] =>
  ours.slice(0, others.length).map((value, i) => value / (others[i] ?? Number.NaN));

/** Three significant digits. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function ranged(values: readonly number[], unit = ''): string {
  if (values.length === 0) return '–';
  const { median: middle, min, max } = spread(values);
  return `${digits(middle)}${unit === '' ? '' : ` ${unit}`} (${digits(min)}–${digits(max)})`;
}

const HEADINGS = ['goal', 'what', 'ours', 'compared with', 'ratio (range)', 'aim', ''] as const;

/** As Markdown, so that it can be pasted. */
export function format(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.goal,
    row.what,
    row.ours,
    row.other,
    row.ratio,
    row.aim,
    row.holds === undefined ? '' : row.holds ? 'holds' : 'short',
  ]);
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...cells.map((line) => line[i]?.length ?? 0)));
  const line = (texts: readonly string[]) => `| ${texts.map((text, i) => text.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(HEADINGS), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.map(line)].join('\n');
}
