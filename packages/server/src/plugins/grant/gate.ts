// The gate of one plugin: every call passes through it and comes out as the object to execute, or is refused. Contains
// the grants in force; a changed config applies to the next call. Executes nothing.

import { BinnacleError } from '@binnacle/protocol';
import { canonicalAddress, kindOfAddress } from '../../base/addresses.ts';
import { hasTooMany, onlyArguments, reasonIn, TOO_MANY } from './arguments.ts';
import {
  type CallOf,
  hostOpener,
  hostsOf,
  keysOf,
  type MachineFacts,
  type Opener,
  type RunCall,
  ruleOf,
} from './calls.ts';
import { type KeyPath, pickOpen } from './config-keys.ts';
import type { Fetch } from './fetch-call.ts';
import { type Grant, type Grants, grantIn, narrowed, spellGrant } from './grants.ts';
import { configKey, isPermission, type PermissionName, permission } from './permissions.ts';

/** One entry of the audit. Never contains the content of a call, which may be secret. */
export interface Decision {
  readonly plugin: string;
  readonly permission: PermissionName;
  readonly outcome: 'allowed' | 'denied' | 'malformed';
  /** A program, a key, a host or a name; '' if it could not be parsed. */
  readonly target: string;
}

export interface GateParts {
  readonly plugin: string;
  readonly grants: Grants;
  readonly world: MachineFacts;
  audit(decision: Decision): void;
}

const MAX_TARGET = 200;

export class Gate {
  readonly plugin: string;
  readonly #world: MachineFacts;
  readonly #audit: (decision: Decision) => void;
  #grants: Grants;

  constructor({ plugin, grants, world, audit }: GateParts) {
    this.plugin = plugin;
    this.#grants = grants;
    this.#world = world;
    this.#audit = audit;
  }

  get grants(): Grants {
    return this.#grants;
  }

  /** Replaces the grants. Calls under way were allowed when they began, and continue. */
  replace(grants: Grants): void {
    this.#grants = grants;
  }

  /**
   * Returns the call in its canonical form, frozen: execute this object, never the arguments.
   * Throws `bad_request` for invalid arguments, `permission_denied` with the grant that would allow the call,
   * `not_grantable`, and `command_not_found`.
   */
  allow<Name extends PermissionName>(name: Name, args: unknown): CallOf<Name> {
    if (!isPermission(name)) throw new BinnacleError('bad_request', { message: 'There is no such permission.' });
    this.demand(name, args);
    const rule = ruleOf(name);
    if (hasTooMany(args)) throw this.#malformed(name, TOO_MANY);
    const read = rule.args.safeParse(args);
    if (!read.success) throw this.#malformed(name, reasonIn(read.error));
    const call = rule.settle?.(read.data, this.#world) ?? read.data;
    const grant = grantIn(this.#grants, name);
    const isOpen = grant.kind !== 'denied' && rule.opens(grant, call, this.#world);
    this.#record(name, isOpen ? 'allowed' : 'denied', rule.target(call));
    if (!isOpen) throw this.#refusal(name, grant, rule.opener(call, this.#world));
    if (name === 'runCommandWithTimeout') checkFound(call as RunCall);
    return deepFreeze(call) as CallOf<Name>;
  }

  /**
   * Requires any grant at all. Call before parsing anything else: without a grant, only the arguments that a denial
   * names are parsed. Throws `permission_denied`, `not_grantable`, and `bad_request` if even those are invalid.
   */
  demand(name: PermissionName, args: unknown): void {
    const grant = grantIn(this.#grants, name);
    if (opensAnything(grant)) return;
    const { about, args: shape, isWhole, target, opener } = ruleOf(name);
    const read = shape.safeParse(onlyArguments(args, about));
    if (!read.success && !isWhole) throw this.#malformed(name, reasonIn(read.error));
    this.#record(name, 'denied', read.success ? target(read.data) : '');
    throw this.#refusal(name, grant, read.success ? opener(read.data, this.#world) : 'whole');
  }

  /** Returns whether `allow` would succeed, without an audit entry: for offers, whose calls come later. */
  holds(name: PermissionName, args: unknown): boolean {
    const grant = grantIn(this.#grants, name);
    if (grant.kind === 'denied') return false;
    const rule = ruleOf(name);
    const read = rule.args.safeParse(args);
    return read.success && rule.opens(grant, read.data, this.#world);
  }

  /**
   * Checks a resolved address. Call for each address of a host, and connect to exactly that address: a name can resolve
   * to any address, and to another one the second time (TOCTOU). Throws `permission_denied`, `not_grantable`.
   */
  allowAddress({ port }: Fetch, address: string): void {
    const canonical = canonicalAddress(address) ?? '';
    const own = this.#world.own();
    const grant = grantIn(this.#grants, 'net');
    const kind = kindOfAddress(canonical, own);
    const isNamed =
      grant.kind === 'narrowed' &&
      hostsOf(grant).some((item) => item.host === canonical && item.port === port && !item.isWild);
    if (grant.kind !== 'denied' && (kind === 'public' || (kind !== 'never' && isNamed))) return;
    this.#record('net', 'denied', `${canonical}:${port}`);
    throw this.#refusal('net', grant, hostOpener({ host: canonical, port, isUsualPort: false }));
  }

  /** Returns the readable part of the value at a key of the config file. */
  pick(path: KeyPath, value: unknown): unknown {
    const grant = grantIn(this.#grants, 'readConfigFile');
    return grant.kind === 'denied' ? undefined : pickOpen(value, path, keysOf(grant, 'read'));
  }

  #refusal(name: PermissionName, grant: Grant, opener: Opener): BinnacleError {
    if (opener === 'whole') return denied(this.plugin, name, grant, true);
    if ('never' in opener) return neverGranted(this.plugin, name, opener.never);
    return denied(this.plugin, name, grant, opener.item);
  }

  #malformed(name: PermissionName, why: string): BinnacleError {
    this.#record(name, 'malformed', '');
    const message = `The arguments of ${name} are wrong: ${why}`;
    return new BinnacleError('bad_request', { message, details: { permission: name } });
  }

  #record(permission: PermissionName, outcome: Decision['outcome'], target: string): void {
    this.#audit({ plugin: this.plugin, permission, outcome, target: target.slice(0, MAX_TARGET) });
  }
}

const opensAnything = (grant: Grant): boolean =>
  grant.kind === 'all' || (grant.kind === 'narrowed' && grant.items.length > 0);

function checkFound({ program, file }: RunCall): void {
  if (file === '') throw new BinnacleError('command_not_found', { message: `There is no program "${program}".` });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

export interface Denial {
  readonly plugin: string;
  readonly permission: PermissionName;
  /** Key of the config file. */
  readonly key: string;
  /** Value that allows this call and everything that was allowed before. */
  readonly value: boolean | Readonly<Record<string, readonly string[]>>;
}

/**
 * Makes the error of a denied call. `opener`: the list item that allows the call; true if only the whole permission
 * does.
 */
function denied(plugin: string, name: PermissionName, had: Grant, opener: string | true): BinnacleError {
  const key = configKey(plugin, name);
  const value = spellGrant(name, granting(name, had, opener));
  const what = opener === true ? '' : ` (${opener})`;
  return new BinnacleError('permission_denied', {
    message: `The plugin "${plugin}" may not ${permission(name).sentence}${what}: it lacks the permission ${name}.`,
    hint: `Set ${key} to ${JSON.stringify(value)} in the config file, or run binnacle plugin grant.`,
    details: { plugin, permission: name, key, value } satisfies Denial,
  });
}

/** Makes the error of a call that no config can allow, and that therefore names no key. */
function neverGranted(plugin: string, name: PermissionName, why: string): BinnacleError {
  return new BinnacleError('not_grantable', {
    message: `The plugin "${plugin}" may not do that, whatever its permission ${name} says: ${why}.`,
    details: { plugin, permission: name },
  });
}

function granting(name: PermissionName, had: Grant, opener: string | true): Grant {
  const { narrowing } = permission(name);
  if (opener === true || narrowing === null) return { kind: 'all' };
  if (had.kind === 'denied') return narrowed([opener]);
  if (had.kind === 'narrowed') return narrowed([...had.items, opener]);
  // A list replaces `true`, and must not revoke what `true` had opened.
  return narrowed(narrowing.all === undefined ? [opener] : [narrowing.all, opener]);
}
