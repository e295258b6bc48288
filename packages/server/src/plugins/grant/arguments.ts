// The arguments of a call as a plugin sends them, before a schema walks them. Knows no call.

import type { z } from 'zod';

/** More than any call takes. */
const MAX_ARGUMENTS = 64;
/** One more than the longest list that says what a call is about. */
const MAX_ITEMS = 17;
const MAX_REASON = 300;

/** Undefined where there is none. */
export function argument(args: unknown, name: string): unknown {
  if (typeof args !== 'object' || args === null || !Object.hasOwn(args, name)) return undefined;
  return (args as Readonly<Record<string, unknown>>)[name];
}

/** Nothing but these, and of a list the beginning. */
export function onlyArguments(args: unknown, names: readonly string[]): object {
  const found: Record<string, unknown> = {};
  for (const name of names) {
    const value = argument(args, name);
    if (value !== undefined) found[name] = Array.isArray(value) ? value.slice(0, MAX_ITEMS) : value;
  }
  return found;
}

/** A schema would name each of them. */
export function hasTooMany(args: unknown): boolean {
  return typeof args === 'object' && args !== null && !Array.isArray(args) && Object.keys(args).length > MAX_ARGUMENTS;
}

export const TOO_MANY = `too many arguments: at most ${MAX_ARGUMENTS}`;

/** The first thing that is wrong, in a line. What it quotes may be long. */
export function reasonIn(error: z.ZodError): string {
  const [issue] = error.issues;
  const at = issue?.path.slice(0, 8).join('.').slice(0, 60) ?? '';
  return `${at === '' ? '' : `(${at}) `}${issue?.message ?? ''}`.slice(0, MAX_REASON);
}
