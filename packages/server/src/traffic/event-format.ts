// Text of an error in a field of an event, as the end of a sentence that begins with the field's name.

import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  int: 'whole number',
  boolean: 'true or false',
  object: 'object',
  record: 'object',
};

/** `isThere`: true if the event has the field at all. */
export function describeIssue(issue: Issue, isThere: boolean): string {
  switch (issue.code) {
    case 'invalid_type':
      return isThere ? `is no ${KINDS[issue.expected] ?? issue.expected}` : 'is missing';
    case 'too_big':
      return `is over ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_small':
      return issue.origin === 'string' ? 'is empty' : `is under ${issue.minimum}`;
    case 'invalid_value':
      return `is none of ${issue.values.map(String).join(', ')}`;
    case 'invalid_key': {
      const [inner] = issue.issues;
      return `has a name that ${inner === undefined ? 'is not valid' : describeIssue(inner, true)}`;
    }
    case 'invalid_union':
    case 'custom':
      return issue.message;
    default:
      return 'is not valid';
  }
}

/** Returns the path of the field in usual notation; empty for the whole event. */
export const fieldOf = (issue: Issue): string => issue.path.map(String).join('.');

/** Tells whether there is a value at the path, undefined included. */
export function isThere(raw: unknown, path: Issue['path']): boolean {
  let at = raw;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return at !== undefined;
}
