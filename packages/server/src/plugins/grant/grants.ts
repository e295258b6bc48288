// Grants: parses the permissions of the config file or a manifest, and compares grants. Invalid values grant nothing.

import type { z } from 'zod';
import { isPermission, type Narrowing, PERMISSION_NAMES, type PermissionName, permission } from './permissions.ts';

/** The grant of one permission. `narrowed` to an empty list has the effect of denied. */
export type Grant =
  | { readonly kind: 'denied' }
  | { readonly kind: 'all' }
  /** Items in their canonical form, as `Narrowing.shape` makes them. */
  | { readonly kind: 'narrowed'; readonly items: readonly string[] };

/** The grants of one plugin. A missing permission is denied. */
export type Grants = ReadonlyMap<PermissionName, Grant>;

export const DENIED: Grant = Object.freeze({ kind: 'denied' });
export const ALL: Grant = Object.freeze({ kind: 'all' });
export const NONE: Grants = new Map();

export const grantIn = (grants: Grants, name: PermissionName): Grant => grants.get(name) ?? DENIED;

/** `wrong`: the reason why a value grants nothing, for people. */
export type ReadGrant = { readonly grant: Grant } | { readonly wrong: string };

/** Parses `true`, `false`, `{"commands": ["git"]}`, or the list alone. */
export function readGrant(name: PermissionName, value: unknown): ReadGrant {
  if (value === undefined || value === false) return { grant: DENIED };
  if (value === true) return { grant: ALL };
  const { narrowing } = permission(name);
  if (narrowing === null) return { wrong: 'expected true or false' };
  const read = narrowing.shape.safeParse(Array.isArray(value) ? { [narrowing.key]: value } : value);
  if (!read.success) return { wrong: whyNot(read.error, narrowing) };
  return { grant: narrowed(read.data[narrowing.key] ?? []) };
}

export const narrowed = (items: readonly string[]): Grant =>
  Object.freeze({ kind: 'narrowed', items: Object.freeze([...items]) });

/** Parses the permissions of one plugin. Reports invalid and unknown ones, which grant nothing. */
export function readGrants(value: unknown, report: (at: readonly string[], message: string) => void): Grants {
  if (value === undefined) return NONE;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report([], 'Expected an object, e.g. {"notify": true}. Nothing is granted.');
    return NONE;
  }
  const grants = new Map<PermissionName, Grant>();
  for (const [name, setting] of Object.entries(value)) {
    if (!isPermission(name)) {
      report([name], `There is no permission "${name}". One of: ${PERMISSION_NAMES.join(', ')}.`);
      continue;
    }
    const read = readGrant(name, setting);
    if ('wrong' in read) report([name], `"${name}" is denied, because its value is wrong: ${read.wrong}.`);
    else if (read.grant.kind !== 'denied') grants.set(name, read.grant);
  }
  return grants;
}

/** Returns a grant in the form of the config file. */
export function spellGrant(name: PermissionName, grant: Grant): boolean | Record<string, readonly string[]> {
  if (grant.kind !== 'narrowed') return grant.kind === 'all';
  const { narrowing } = permission(name);
  return narrowing === null ? false : { [narrowing.key]: grant.items };
}

/** Returns the part of `requested` that exceeds `granted`; undefined if there is none. For a list: the items. */
export function wider(name: PermissionName, granted: Grant, requested: Grant): Grant | undefined {
  const narrowing = permission(name).narrowing;
  const has = itemsOf(granted, narrowing);
  const wants = itemsOf(requested, narrowing);
  if (has === true || (wants !== true && wants.length === 0)) return undefined;
  if (wants === true) return ALL;
  const more = wants.filter((item) => !has.some((one) => narrowing?.covers(one, item) === true));
  if (more.length === 0) return undefined;
  return requested.kind === 'all' ? ALL : narrowed(more);
}

/**
 * Returns the part of `requested` that is not granted and that nobody has decided about: all of it, or items of a list. A
 * grant that is narrower than an unlimited request, or than a requested item, is such a decision: nothing is lacking.
 */
export function lacking(name: PermissionName, granted: Grant, requested: Grant): Grant | undefined {
  const more = wider(name, granted, requested);
  const { narrowing } = permission(name);
  const has = itemsOf(granted, narrowing);
  if (more === undefined || has === true || has.length === 0) return more;
  if (more.kind !== 'narrowed') return undefined;
  const isDecided = (item: string): boolean =>
    item === narrowing?.all || has.some((one) => narrowing?.covers(item, one) === true);
  const left = more.items.filter((item) => !isDecided(item));
  return left.length === 0 ? undefined : narrowed(left);
}

/** Returns the union of two grants, to replace the earlier one; including listed items that `true` does not open. */
export function together(name: PermissionName, one: Grant, other: Grant): Grant {
  if (one.kind === 'denied') return other;
  if (other.kind === 'denied') return one;
  const items = [one, other].flatMap((grant) => (grant.kind === 'narrowed' ? grant.items : []));
  if (one.kind === 'narrowed' && other.kind === 'narrowed') return narrowed([...new Set(items)]);
  const { narrowing } = permission(name);
  const { all } = narrowing ?? {};
  if (narrowing === null || all === undefined) return ALL;
  const beyond = items.filter((item) => !narrowing.covers(all, item));
  return beyond.length === 0 ? ALL : narrowed([...new Set([all, ...beyond])]);
}

/**
 * Returns `true` if nothing exceeds the grant. Otherwise even a whole grant excludes what must be named, such as a
 * private address.
 */
function itemsOf(grant: Grant, narrowing: Narrowing | null): true | readonly string[] {
  if (grant.kind === 'denied') return [];
  if (grant.kind === 'narrowed') return grant.items;
  return narrowing?.all === undefined ? true : [narrowing.all];
}

function whyNot(error: z.ZodError, { key, example }: Narrowing): string {
  const [issue] = error.issues;
  const shown = `expected true, false or {"${key}": ["${example}"]}`;
  if (issue === undefined || issue.path.length === 0) {
    return issue?.code === 'unrecognized_keys' ? `${shown}, with no other key` : shown;
  }
  return issue.message;
}
