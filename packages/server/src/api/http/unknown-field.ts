// Finds the known names beside an unknown field, and the name that the client probably meant.

import type { z } from './routes.ts';

export interface UnknownField {
  /** Full path of the field, e.g. `peer.kindd`, at most 100 characters. */
  readonly field: string;
  /** Known names in the same place, as the schema spells them. */
  readonly known: readonly string[];
  /** The most similar known name; undefined if no name is similar. */
  readonly nearest: string | undefined;
}

/**
 * Returns the first field that a strict schema refused, also inside a union; undefined if none was refused.
 *
 * @example unknownField(z.strictObject({ ttlMs: z.int() }), issues)
 * // { field: 'ttlms', known: ['ttlMs'], nearest: 'ttlMs' }
 */
export function unknownField(schema: z.ZodType, issues: readonly z.core.$ZodIssue[]): UnknownField | undefined {
  const found = firstUnknown(issues, []);
  if (found === undefined) return undefined;
  const known = [...new Set(namesAt(schema, found.path))];
  const field = [...found.path, found.key].map(String).join('.').slice(0, 100);
  return { field, known, nearest: nearestTo(found.key, known) };
}

function firstUnknown(
  issues: readonly z.core.$ZodIssue[],
  above: readonly PropertyKey[],
): { readonly path: readonly PropertyKey[]; readonly key: string } | undefined {
  for (const issue of issues) {
    const path = [...above, ...issue.path];
    if (issue.code === 'unrecognized_keys') return { path, key: issue.keys[0] ?? '' };
    if (issue.code !== 'invalid_union') continue;
    for (const choice of issue.errors) {
      const found = firstUnknown(choice, path);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

type SchemaDefinition = z.core.$ZodTypes['_zod']['def'];

/** Lists the names of the object at `path`; for a union, the names of all its choices. */
function namesAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  const def = schema._zod.def as SchemaDefinition;
  switch (def.type) {
    case 'object': {
      const [first, ...below] = path;
      if (first === undefined) return Object.keys(def.shape);
      const next = def.shape[String(first)];
      return next === undefined ? [] : namesAt(next, below);
    }
    case 'array':
      return namesAt(def.element, path.slice(1));
    case 'record':
      return namesAt(def.valueType, path.slice(1));
    case 'union':
      return def.options.flatMap((option) => namesAt(option, path));
    case 'pipe':
      // The input of the pipe, unless the input is only a function before the schema.
      return namesAt(def.in._zod.def.type === 'transform' ? def.out : def.in, path);
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return namesAt(def.innerType, path);
    default:
      return [];
  }
}

/** Finds the nearest name: a typo, or else a name with common letter pairs: `expiresInMs` is meant for `ttlMs`. */
function nearestTo(field: string, known: readonly string[]): string | undefined {
  const shortened = field.slice(0, 64).toLowerCase();
  let best: { readonly name: string; readonly score: number } | undefined;
  for (const name of known) {
    const score = likeness(shortened, name.toLowerCase());
    if (score > (best?.score ?? 0)) best = { name, score };
  }
  return best?.name;
}

/** Computes similarity from 0, nothing in common, to 1, equal. A typo scores higher than common pairs. */
function likeness(a: string, b: string): number {
  const longest = Math.max(a.length, b.length);
  const slips = 1 - slipsBetween(a, b) / longest;
  const pairs = [...pairsOf(a)];
  const other = pairsOf(b);
  const common = (2 * pairs.filter((pair) => other.has(pair)).length) / Math.max(1, pairs.length + other.size);
  return slips > 0.5 ? slips : common / 2;
}

const pairsOf = (text: string): ReadonlySet<string> =>
  new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2)));

/** Counts insertions, deletions and substitutions of letters (Levenshtein distance). */
function slipsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let at = 0; at < b.length; at++) {
      const change = (row[at] ?? 0) + (letter === b[at] ? 0 : 1);
      next.push(Math.min(change, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
