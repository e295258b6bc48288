// The arguments of a call as a plugin sends them, before validation by a schema.

import type { z } from 'zod';

/** Maximum arguments, more than any call takes. */
const MAX_ARGUMENTS = 64;
/** Maximum items to keep of a list: one more than the longest list that describes a call's subject. */
const MAX_ITEMS = 17;
const MAX_REASON = 300;

/** Returns an argument; undefined if it is missing. */
export function argumentOf(args: unknown, name: string): unknown {
  if (typeof args !== 'object' || args === null || !Object.hasOwn(args, name)) return undefined;
  return (args as Readonly<Record<string, unknown>>)[name];
}

/** Returns only the named arguments, with lists cut to MAX_ITEMS. */
export function onlyArguments(args: unknown, names: readonly string[]): object {
  const found: Record<string, unknown> = {};
  for (const name of names) {
    const value = argumentOf(args, name);
    if (value !== undefined) found[name] = Array.isArray(value) ? value.slice(0, MAX_ITEMS) : value;
  }
  return found;
}

/** Returns true for too many arguments. A schema error would list each of them. */
export function hasTooMany(args: unknown): boolean {
  return typeof args === 'object' && args !== null && !Array.isArray(args) && Object.keys(args).length > MAX_ARGUMENTS;
}

export const TOO_MANY = `too many arguments: at most ${MAX_ARGUMENTS}`;

/** Returns the first error in one line, with a limited length, because it may quote input. */
export function reasonIn(error: z.ZodError): string {
  const [issue] = error.issues;
  const at = issue?.path.slice(0, 8).join('.').slice(0, 60) ?? '';
  return `${at === '' ? '' : `(${at}) `}${issue?.message ?? ''}`.slice(0, MAX_REASON);
}
