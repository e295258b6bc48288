// One binding: what it says, copied; whether it still says that; and the rule that it makes. Knows no other binding.

import { ANY, accountName, agentName, channelName, idText, isBlank, type PeerKind, peerKind } from './normalise.ts';
import type { DmScope, GroupScope, Tier } from './route.ts';

/** What a binding said when it was read: raw values, so that a later change can be seen by comparing. */
export interface Reading {
  readonly type: unknown;
  readonly agentId: unknown;
  /** Whether there is an object at all: what is not of the type `object` cannot be read further. */
  readonly hasMatch: boolean;
  readonly channel: unknown;
  readonly accountId: unknown;
  readonly peer: 'none' | 'given' | 'bad';
  readonly kind: unknown;
  readonly id: unknown;
  readonly guildId: unknown;
  readonly teamId: unknown;
  /** The array's items; undefined without one, the value itself where it is no array. */
  readonly roles: readonly unknown[] | undefined | 'bad';
  readonly dmScope: unknown;
  readonly groupScope: unknown;
}

/** One binding that takes part in routing. Of several that match in one tier, the lowest `order` wins. */
export interface Rule {
  /** Its index in the config. */
  readonly order: number;
  readonly channel: string;
  /** Or `*`. */
  readonly accountId: string;
  /** Undefined where it names none: then the owner of the agents is meant. */
  readonly agentId: string | undefined;
  /** `group` and `channel` match each other and are one kind here. `id` may be `*`. */
  readonly peer: { readonly kind: 'direct' | 'group'; readonly id: string } | undefined;
  /** '' for no condition, here and in `teamId`: no input has a blank one. */
  readonly guildId: string;
  readonly teamId: string;
  /** Empty for no condition. Compared as they are. */
  readonly roles: readonly unknown[];
  readonly dmScope: DmScope | undefined;
  readonly groupScope: GroupScope | undefined;
}

export type Fault =
  | 'not_a_binding'
  | 'no_channel'
  | 'bad_account'
  | 'bad_peer_kind'
  | 'no_peer_id'
  | 'bad_peer'
  | 'bad_guild'
  | 'bad_team'
  | 'bad_roles';

/** `agentId: undefined` is left out rather than blank; both mean the owner. */
export function read(raw: unknown): Reading {
  const binding = objectOf(raw);
  const match = objectOf(binding?.match);
  const peer = match?.peer;
  const session = objectOf(binding?.session);
  const given = objectOf(peer);
  return {
    type: binding?.type,
    agentId: binding?.agentId,
    hasMatch: match !== undefined,
    channel: match?.channel,
    accountId: match?.accountId,
    peer: shapeOf(peer),
    kind: given?.kind,
    id: given?.id,
    guildId: match?.guildId,
    teamId: match?.teamId,
    roles: Array.isArray(match?.roles) ? [...match.roles] : match?.roles == null ? undefined : 'bad',
    dmScope: session?.dmScope,
    groupScope: session?.groupScope,
  };
}

/** True where `raw` still says what was read. Compares values, allocates nothing. */
export function saysStill(was: Reading, raw: unknown): boolean {
  const binding = objectOf(raw);
  if (!same(was.agentId, binding?.agentId) || !same(was.type, binding?.type)) return false;
  const match = objectOf(binding?.match);
  if (was.hasMatch !== (match !== undefined)) return false;
  if (!same(was.channel, match?.channel) || !same(was.accountId, match?.accountId)) return false;
  const peer = match?.peer;
  if (was.peer !== shapeOf(peer)) return false;
  if (was.peer === 'given') {
    const given = objectOf(peer);
    if (!same(was.id, given?.id) || !same(was.kind, given?.kind)) return false;
  }
  if (!same(was.guildId, match?.guildId) || !same(was.teamId, match?.teamId)) return false;
  if (!sameRoles(was.roles, match?.roles)) return false;
  const session = objectOf(binding?.session);
  return same(was.dmScope, session?.dmScope) && same(was.groupScope, session?.groupScope);
}

/**
 * The rule, or what is wrong with the binding: then it takes no part, and never less exactly than it was written.
 * Undefined for what is not for routing (`acp`).
 */
export function ruleOf(was: Reading, order: number): Rule | Fault | undefined {
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

/** The tier that a rule stands in. A rule with a peer may win as that of a thread's parent, too. */
export function tierOf(rule: Rule): Exclude<Tier, 'binding.peer.parent'> {
  if (rule.peer !== undefined) return rule.peer.id === ANY ? 'binding.peer.wildcard' : 'binding.peer';
  if (rule.guildId !== '') return rule.roles.length > 0 ? 'binding.guild+roles' : 'binding.guild';
  if (rule.teamId !== '') return 'binding.team';
  return rule.accountId === ANY ? 'binding.channel' : 'binding.account';
}

/** As what a peer's kind is compared: rooms are called `group` by one platform and `channel` by another. */
export const folded = (kind: PeerKind): 'direct' | 'group' => (kind === 'direct' ? 'direct' : 'group');

type Raw = Readonly<Record<string, unknown>>;

const objectOf = (value: unknown): Raw | undefined =>
  typeof value === 'object' && value !== null ? (value as Raw) : undefined;

const shapeOf = (peer: unknown): Reading['peer'] =>
  isAbsent(peer) ? 'none' : typeof peer === 'object' ? 'given' : 'bad';

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

/** A blank text is no condition, as if it was left out; anything that cannot be an id is a fault. */
const isIdOrAbsent = (value: unknown): boolean =>
  isAbsent(value) || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';

// An unknown scope is handed on as it is, as the reference does: it has the effect of `main` for people and of
// `per-group` for rooms. The config file refuses it earlier.
const scopeOf = <Scope extends string>(value: unknown): Scope | undefined =>
  isAbsent(value) ? undefined : (value as Scope);

/** `Object.is` for NaN, behind the comparison that is nearly always enough. */
const same = (a: unknown, b: unknown): boolean => a === b || Object.is(a, b);

function sameRoles(was: Reading['roles'], now: unknown): boolean {
  if (was === undefined) return isAbsent(now);
  if (was === 'bad') return !isAbsent(now) && !Array.isArray(now);
  if (!Array.isArray(now) || now.length !== was.length) return false;
  for (let at = 0; at < was.length; at++) if (!same(was[at], now[at])) return false;
  return true;
}
