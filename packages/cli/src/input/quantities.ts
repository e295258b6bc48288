// Sizes, durations and times in human notation.

import { usage } from '../output/failure.ts';

const BYTES: Record<string, number> = { '': 1, b: 1 };
for (const [index, letter] of ['k', 'm', 'g', 't'].entries()) {
  BYTES[letter] = BYTES[`${letter}ib`] = 1024 ** (index + 1);
  BYTES[`${letter}b`] = 1000 ** (index + 1);
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `1048576`, `512M`, `10GiB` (1024) or `10GB` (1000) as bytes. */
export function parseBytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
  const factor = BYTES[unit?.toLowerCase() ?? '?'];
  const value = Math.floor(Number(number) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(value)) throw usage(`"${text}" is not a size.`, 'Write bytes, or 512M, 10GiB.');
  return value;
}

/** Reads `500ms`, `30s`, `5m`, `12h` or `7d` as milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const value = Math.floor(Number(number) * (MILLISECONDS[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(value)) throw usage(`"${text}" is not a duration.`, 'Write 30s, 5m, 12h or 7d.');
  return value;
}

/** Parses like `parseDuration`, and refuses values outside a range of milliseconds. */
export function parseDurationInRange(text: string, what: string, min: number, max: number): number {
  const value = parseDuration(text);
  if (value >= min && value <= max) return value;
  throw usage(`${what} takes a duration from ${formatDuration(min)} to ${formatDuration(max)}.`);
}

/** Reads a number of milliseconds, or a duration with its unit. */
export const parseTimeout = (text: string): number => parseDuration(/^\d+$/.test(text) ? `${text}ms` : text);

/** Reads a whole number in a range. */
export function parseCount(text: string, what: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw usage(`${what} takes a whole number from ${min} to ${max}.`);
  return value;
}

/** Formats a duration in its largest unit: `42s`, `3m`, `5h`, `2d`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
