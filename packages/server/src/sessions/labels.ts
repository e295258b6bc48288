// Labels of a session, `key=value`, as its creator or emitter sends them.

import { z } from 'zod';

export const MAX_LABELS = 16;
const MAX_KEY = 64;
const MAX_VALUE = 256;

/**
 * Text that is stored and shown: whole characters, and no control characters that a terminal or a database interprets.
 */
export const plain = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => text.isWellFormed(), 'has half of a character')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .refine((text) => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text), 'has a control character');
/** Plain text in one line: names, which stand in lists. */
export const line = (max: number) => plain(max).refine((text) => !/[\t\n\r]/.test(text), 'has more than one line');

/** Counts the labels before it checks each: a report of every error takes seconds for 100,000 labels. */
export const Labels = z
  .unknown()
  .refine((labels) => !hasMoreThan(labels, MAX_LABELS), `has more than ${MAX_LABELS} of them`)
  // zod drops that name silently.
  .refine((labels) => !Object.hasOwn(Object(labels), '__proto__'), 'cannot have the name __proto__')
  .pipe(z.record(line(MAX_KEY).min(1), line(MAX_VALUE)));

/** Returns the labels of a session: the emitter's for a foreign session, the creator's for any other. */
export const labelsOf = ({ foreign, spec }: Labelled): Readonly<Record<string, string>> =>
  foreign?.labels ?? spec.labels ?? {};

interface Labelled {
  readonly foreign: { readonly labels: Readonly<Record<string, string>> } | null;
  readonly spec: { readonly labels?: Readonly<Record<string, string>> };
}

/** Tells whether `value` is an object with more than `most` fields. */
export function hasMoreThan(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  let count = 0;
  for (const _ in value) {
    count += 1;
    if (count > most) return true;
  }
  return false;
}
