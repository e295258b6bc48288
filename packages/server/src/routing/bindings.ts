// One binding: a copy of its values, the comparison with a later state, and its rule.

import { ANY, accountName, agentName, channelName, idText, isBlank, type PeerKind, peerKind } from './normalise.ts';
import type { DmScope, GroupScope, Tier } from './route.ts';

/** A copy of the raw values of a binding, so that a comparison detects a later change. */
export interface BindingReading {
  readonly type: unknown;
  readonly agentId: unknown;
  /** True if `match` is an object: other types have no values to read. */
  readonly hasMatch: boolean;
  readonly channel: unknown;
  readonly accountId: unknown;
  readonly peer: 'none' | 'given' | 'bad';
  readonly kind: unknown;
  readonly id: unknown;
  readonly guildId: unknown;
  readonly teamId: unknown;
  /** The array's items; undefined if absent, `bad` for a value that is no array. */
  readonly roles: readonly unknown[] | undefined | 'bad';
  readonly dmScope: unknown;
  readonly groupScope: unknown;
}

/** A binding that takes part in routing. Of several matches in one tier, the lowest `order` wins. */
export interface BindingRule {
  /** Index in the config. */
  readonly order: number;
  readonly channel: string;
  /** An account name or `*`. */
  readonly accountId: string;
  /** Undefined for the owner of the agents. */
  readonly agentId: string | undefined;
  /** `group` and `channel` match each other and are one kind here. `id` may be `*`. */
  readonly peer: { readonly kind: 'direct' | 'group'; readonly id: string } | undefined;
  /** '' for no condition, here and in `teamId`: no input has a blank id. */
  readonly guildId: string;
  readonly teamId: string;
  /** Empty for no condition. Compared without normalisation. */
  readonly roles: readonly unknown[];
  readonly dmScope: DmScope | undefined;
  readonly groupScope: GroupScope | undefined;
}

export type BindingFault =
  | 'not_a_binding'
  | 'no_channel'
  | 'bad_account'
  | 'bad_peer_kind'
  | 'no_peer_id'
  | 'bad_peer'
  | 'bad_guild'
  | 'bad_team'
  | 'bad_roles';

/** Copies a binding. `agentId: undefined` means that it is absent rather than blank; both mean the owner. */
export function read(raw: unknown): BindingReading {
  const binding = objectOf(raw);
  const match = objectOf(binding?.match);
  const peer = match?.peer;
  const session = objectOf(binding?.session);
  const peerFields = objectOf(peer);
  return {
    type: binding?.type,
    agentId: binding?.agentId,
    hasMatch: match !== undefined,
    channel: match?.channel,
    accountId: match?.accountId,
    peer: shapeOf(peer),
    kind: peerFields?.kind,
    id: peerFields?.id,
    guildId: match?.guildId,
    teamId: match?.teamId,
    roles: Array.isArray(match?.roles) ? [...match.roles] : match?.roles == null ? undefined : 'bad',
    dmScope: session?.dmScope,
    groupScope: session?.groupScope,
  };
}

/** Returns whether `raw` still has the values of the copy. Compares values, allocates nothing. */
export function saysStill(was: BindingReading, raw: unknown): boolean {
  const binding = objectOf(raw);
  if (!same(was.agentId, binding?.agentId) || !same(was.type, binding?.type)) return false;
  const match = objectOf(binding?.match);
  if (was.hasMatch !== (match !== undefined)) return false;
  if (!same(was.channel, match?.channel) || !same(was.accountId, match?.accountId)) return false;
  const peer = match?.peer;
  if (was.peer !== shapeOf(peer)) return false;
  if (was.peer === 'given') {
    const peerFields = objectOf(peer);
    if (!same(was.id, peerFields?.id) || !same(was.kind, peerFields?.kind)) return false;
  }
  if (!same(was.guildId, match?.guildId) || !same(was.teamId, match?.teamId)) return false;
  if (!sameRoles(was.roles, match?.roles)) return false;
  const session = objectOf(binding?.session);
  return same(was.dmScope, session?.dmScope) && same(was.groupScope, session?.groupScope);
}

/**
 * Returns the rule, or the fault of the binding: a faulty binding takes no part, and never matches more than it says.
 * Returns undefined for a binding that is not for routing (`acp`).
 */
export function bindingRuleOf(was: BindingReading, order: number): BindingRule | BindingFault | undefined {
  if (was.type === 'acp') return undefined;
  if (!was.hasMatch) return 'not_a_binding';
  const channel = channelName(was.channel);
  if (channel === '') return 'no_channel';
  if (!isAbsent(was.accountId) && typeof was.accountId !== 'string') return 'bad_account';
  if (was.peer === 'bad') return 'bad_peer';
  const kind = peerKind(was.kind);
  const id = idText(was.id);
  if (was.peer === 'given' && kind === undefined) return 'bad_peer_kind';
  if (was.peer === 'given' && id === '') return 'no_peer_id';
  if (!isIdOrAbsent(was.guildId)) return 'bad_guild';
  if (!isIdOrAbsent(was.teamId)) return 'bad_team';
  if (was.roles === 'bad') return 'bad_roles';
  const account = typeof was.accountId === 'string' ? was.accountId.trim() : was.accountId;
  return {
    order,
    channel,
    accountId: account === ANY ? ANY : accountName(account),
    agentId: isBlank(was.agentId) ? undefined : agentName(was.agentId),
    peer: was.peer === 'given' && kind !== undefined ? { kind: folded(kind), id } : undefined,
    guildId: idText(was.guildId),
    teamId: idText(was.teamId),
    roles: was.roles ?? [],
    dmScope: scopeOf<DmScope>(was.dmScope),
    groupScope: scopeOf<GroupScope>(was.groupScope),
  };
}

/** Returns the tier of a rule. A rule with a peer may also win as the rule of a thread's parent. */
export function tierOf(rule: BindingRule): Exclude<Tier, 'binding.peer.parent'> {
  if (rule.peer !== undefined) return rule.peer.id === ANY ? 'binding.peer.wildcard' : 'binding.peer';
  if (rule.guildId !== '') return rule.roles.length > 0 ? 'binding.guild+roles' : 'binding.guild';
  if (rule.teamId !== '') return 'binding.team';
  return rule.accountId === ANY ? 'binding.channel' : 'binding.account';
}

/** Returns the kind for comparisons: some platforms call rooms `group` and others `channel`. */
export const folded = (kind: PeerKind): 'direct' | 'group' => (kind === 'direct' ? 'direct' : 'group');

type Raw = Readonly<Record<string, unknown>>;

const objectOf = (value: unknown): Raw | undefined =>
  typeof value === 'object' && value !== null ? (value as Raw) : undefined;

const shapeOf = (peer: unknown): BindingReading['peer'] =>
  isAbsent(peer) ? 'none' : typeof peer === 'object' ? 'given' : 'bad';

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

/**
 * Returns whether a value can be an id. A blank text is no condition, like an absent one; any other type is a fault.
 */
const isIdOrAbsent = (value: unknown): boolean =>
  isAbsent(value) || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';

// An unknown scope is passed on, as the reference does: it has the effect of `main` for people and of `per-group` for
// rooms. The config file refuses it earlier.
const scopeOf = <Scope extends string>(value: unknown): Scope | undefined =>
  isAbsent(value) ? undefined : (value as Scope);

/** Compares two values. `Object.is` is for NaN, after the comparison that is nearly always enough. */
const same = (a: unknown, b: unknown): boolean => a === b || Object.is(a, b);

function sameRoles(was: BindingReading['roles'], now: unknown): boolean {
  if (was === undefined) return isAbsent(now);
  if (was === 'bad') return !isAbsent(now) && !Array.isArray(now);
  if (!Array.isArray(now) || now.length !== was.length) return false;
  for (let at = 0; at < was.length; at++) if (!same(was[at], now[at])) return false;
  return true;
}
