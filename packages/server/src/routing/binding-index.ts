// Finds the winning binding in a time that does not depend on the number of bindings.

import { type BindingRule, folded } from './bindings.ts';
import { ANY, accountName, channelName, DEFAULT_ACCOUNT, idText, peerKind } from './normalise.ts';
import type { DmScope, GroupScope, MatchedBy, RouteInput } from './route.ts';

/**
 * The rules that differ only in guild, team and roles. A message has at most one guild and one team, so it needs at
 * most four of these leaves, each with a look-up per role: the cost depends on the message alone. Nested maps, one
 * level per part: two different keys cannot collide, whatever characters they contain.
 */
interface Leaf {
  /** The lowest order among the rules without roles. */
  everyone: number;
  /** The lowest order per role. */
  roles: Map<unknown, number> | undefined;
}
interface TeamLeaves extends Leaf {
  teams: Map<string, Leaf> | undefined;
}
interface Scopes extends TeamLeaves {
  guilds: Map<string, TeamLeaves> | undefined;
}

/** Rules by peer id. Most peers have one rule without further conditions: then the value is its order. */
type PeerRules = Map<string, number | Scopes>;

interface Account {
  readonly direct: PeerRules;
  readonly group: PeerRules;
  readonly anyDirect: Scopes;
  readonly anyGroup: Scopes;
  /** Rules without a peer. */
  readonly open: Scopes;
}

interface Channel {
  /** Normalised once, and used in every result. */
  readonly name: string;
  readonly accounts: Map<string, Account>;
  any: Account | undefined;
}

const NONE = Number.POSITIVE_INFINITY;
const NO_ROLES: readonly string[] = [];

/** The result of a rule. Rules with the same result share one object, so that a look-up touches less memory. */
export interface BindingOutcome {
  readonly agentId: string | undefined;
  readonly dmScope: DmScope | undefined;
  readonly groupScope: GroupScope | undefined;
}

/** The normalised message, and the rule that won. */
export interface FoundBinding {
  readonly channel: string;
  readonly accountId: string;
  /** -1 without a winner. */
  readonly order: number;
  readonly outcome: BindingOutcome | undefined;
  readonly matchedBy: MatchedBy;
}

/** The parts of a message that rules compare. */
interface MessageScope {
  readonly guild: string;
  readonly team: string;
  readonly roles: readonly unknown[];
}

export class BindingIndex {
  readonly #channels = new Map<string, Channel>();
  /** Outcomes by order. */
  readonly #outcomes: (BindingOutcome | undefined)[] = [];

  /** `rules`: in the order of the config. */
  constructor(rules: readonly BindingRule[]) {
    const shared = new OutcomePool();
    for (const rule of rules) {
      // Without holes, so that V8 keeps a packed array.
      while (this.#outcomes.length < rule.order) this.#outcomes.push(undefined);
      this.#outcomes.push(shared.of(rule));
      this.#add(rule);
    }
  }

  find(input: RouteInput): FoundBinding {
    // Keys are normalised, so most messages match without normalisation.
    let channel = this.#channels.get(input.channel);
    if (channel === undefined) {
      const name = channelName(input.channel);
      channel = this.#channels.get(name);
      if (channel === undefined) {
        return missed(name, accountName(input.accountId));
      }
    }
    let accountId = input.accountId ?? DEFAULT_ACCOUNT;
    let exact = channel.accounts.get(accountId);
    if (exact === undefined) {
      accountId = accountName(accountId);
      exact = channel.accounts.get(accountId);
    }
    if (exact === undefined && channel.any === undefined) return missed(channel.name, accountId);
    const { order, tier } = winner(exact, channel.any, input);
    if (order === NONE) return missed(channel.name, accountId);
    return { channel: channel.name, accountId, order, outcome: this.#outcomes[order], matchedBy: tier };
  }

  #add(rule: BindingRule): void {
    let channel = this.#channels.get(rule.channel);
    if (channel === undefined) {
      channel = { name: rule.channel, accounts: new Map(), any: undefined };
      this.#channels.set(rule.channel, channel);
    }
    const scopes = scopesOf(accountOf(channel, rule.accountId), rule);
    if (scopes === undefined) return;
    const leaf = leafOf(scopes, rule);
    if (rule.roles.length === 0) leaf.everyone = Math.min(leaf.everyone, rule.order);
    else {
      leaf.roles ??= new Map();
      for (const role of rule.roles) leaf.roles.set(role, Math.min(leaf.roles.get(role) ?? NONE, rule.order));
    }
  }
}

interface TierMatch {
  readonly order: number;
  readonly tier: MatchedBy;
}
const MISS: TierMatch = { order: NONE, tier: 'default' };

const missed = (channel: string, accountId: string): FoundBinding => ({
  channel,
  accountId,
  order: -1,
  outcome: undefined,
  matchedBy: 'default',
});

/** Returns the lowest order in the first tier with a match. */
function winner(exact: Account | undefined, any: Account | undefined, input: RouteInput): TierMatch {
  const roles = input.memberRoleIds ?? NO_ROLES;
  const seen: MessageScope = { guild: idText(input.guildId), team: idText(input.teamId), roles };
  const { peer, parentPeer } = input;
  const kind = peer === undefined || peer === null ? undefined : peerKind(peer.kind);
  if (peer !== undefined && peer !== null && kind !== undefined) {
    const order = ofPeer(exact, any, folded(kind), idText(peer.id), seen);
    if (order !== NONE) return { order, tier: 'binding.peer' };
  }
  if (parentPeer !== undefined && parentPeer !== null) {
    const parentKind = peerKind(parentPeer.kind);
    if (parentKind !== undefined) {
      const order = ofPeer(exact, any, folded(parentKind), idText(parentPeer.id), seen);
      if (order !== NONE) return { order, tier: 'binding.peer.parent' };
    }
  }
  if (kind !== undefined) {
    const name = kind === 'direct' ? 'anyDirect' : 'anyGroup';
    const order = lowest(any?.[name], seen, lowest(exact?.[name], seen, NONE));
    if (order !== NONE) return { order, tier: 'binding.peer.wildcard' };
  }
  if (seen.guild !== '') {
    const mine = exact?.open.guilds?.get(seen.guild);
    const all = any?.open.guilds?.get(seen.guild);
    if (roles.length > 0) {
      const order = rolesOfTeams(all, seen, rolesOfTeams(mine, seen, NONE));
      if (order !== NONE) return { order, tier: 'binding.guild+roles' };
    }
    const order = everyoneOfTeams(all, seen, everyoneOfTeams(mine, seen, NONE));
    if (order !== NONE) return { order, tier: 'binding.guild' };
  }
  if (seen.team !== '') {
    const order = lowestOfLeaf(
      any?.open.teams?.get(seen.team),
      roles,
      lowestOfLeaf(exact?.open.teams?.get(seen.team), roles, NONE),
    );
    if (order !== NONE) return { order, tier: 'binding.team' };
  }
  const ofAccount = lowestOfLeaf(exact?.open, roles, NONE);
  if (ofAccount !== NONE) return { order: ofAccount, tier: 'binding.account' };
  const ofChannel = lowestOfLeaf(any?.open, roles, NONE);
  return ofChannel === NONE ? MISS : { order: ofChannel, tier: 'binding.channel' };
}

function accountOf(channel: Channel, name: string): Account {
  if (name === ANY) {
    channel.any ??= emptyAccount();
    return channel.any;
  }
  const known = channel.accounts.get(name) ?? emptyAccount();
  channel.accounts.set(name, known);
  return known;
}

/** Returns undefined if the order is stored already. */
function scopesOf(account: Account, rule: BindingRule): Scopes | undefined {
  if (rule.peer === undefined) return account.open;
  const { kind, id } = rule.peer;
  if (id === ANY) return kind === 'direct' ? account.anyDirect : account.anyGroup;
  const peers = account[kind];
  const known = peers.get(id);
  if (typeof known === 'object') return known;
  if (known === undefined && rule.guildId === '' && rule.teamId === '' && rule.roles.length === 0) {
    peers.set(id, rule.order);
    return undefined;
  }
  const scopes = emptyScopes();
  if (known !== undefined) scopes.everyone = known;
  peers.set(id, scopes);
  return scopes;
}

function leafOf(scopes: Scopes, rule: BindingRule): Leaf {
  let teams: TeamLeaves = scopes;
  if (rule.guildId !== '') {
    scopes.guilds ??= new Map();
    teams = scopes.guilds.get(rule.guildId) ?? emptyTeams();
    scopes.guilds.set(rule.guildId, teams);
  }
  if (rule.teamId === '') return teams;
  teams.teams ??= new Map();
  const leaf = teams.teams.get(rule.teamId) ?? { everyone: NONE, roles: undefined };
  teams.teams.set(rule.teamId, leaf);
  return leaf;
}

const emptyTeams = (): TeamLeaves => ({ everyone: NONE, roles: undefined, teams: undefined });
const emptyScopes = (): Scopes => ({ everyone: NONE, roles: undefined, teams: undefined, guilds: undefined });
const emptyAccount = (): Account => ({
  direct: new Map(),
  group: new Map(),
  anyDirect: emptyScopes(),
  anyGroup: emptyScopes(),
  open: emptyScopes(),
});

// Each function below takes the best order so far and returns the better of the two.

function ofPeer(
  exact: Account | undefined,
  any: Account | undefined,
  kind: 'direct' | 'group',
  id: string,
  seen: MessageScope,
): number {
  return lowestOfPeer(any?.[kind].get(id), seen, lowestOfPeer(exact?.[kind].get(id), seen, NONE));
}

function lowestOfPeer(found: number | Scopes | undefined, seen: MessageScope, best: number): number {
  return typeof found === 'number' ? Math.min(best, found) : lowest(found, seen, best);
}

function lowest(scopes: Scopes | undefined, seen: MessageScope, best: number): number {
  if (scopes === undefined) return best;
  const open = lowestOfTeams(scopes, seen, best);
  if (scopes.guilds === undefined || seen.guild === '') return open;
  const teams = scopes.guilds.get(seen.guild);
  return teams === undefined ? open : lowestOfTeams(teams, seen, open);
}

function lowestOfTeams(teams: TeamLeaves, seen: MessageScope, best: number): number {
  const open = lowestOfLeaf(teams, seen.roles, best);
  if (teams.teams === undefined || seen.team === '') return open;
  return lowestOfLeaf(teams.teams.get(seen.team), seen.roles, open);
}

function lowestOfLeaf(leaf: Leaf | undefined, roles: readonly unknown[], best: number): number {
  if (leaf === undefined) return best;
  return lowestOfRoles(leaf, roles, leaf.everyone < best ? leaf.everyone : best);
}

function lowestOfRoles(leaf: Leaf, roles: readonly unknown[], best: number): number {
  if (leaf.roles === undefined) return best;
  let lowestSoFar = best;
  for (const role of roles) {
    const order = leaf.roles.get(role);
    if (order !== undefined && order < lowestSoFar) lowestSoFar = order;
  }
  return lowestSoFar;
}

function rolesOfTeams(teams: TeamLeaves | undefined, seen: MessageScope, best: number): number {
  if (teams === undefined) return best;
  const open = lowestOfRoles(teams, seen.roles, best);
  const leaf = seen.team === '' ? undefined : teams.teams?.get(seen.team);
  return leaf === undefined ? open : lowestOfRoles(leaf, seen.roles, open);
}

function everyoneOfTeams(teams: TeamLeaves | undefined, seen: MessageScope, best: number): number {
  if (teams === undefined) return best;
  const open = Math.min(best, teams.everyone);
  const leaf = seen.team === '' ? undefined : teams.teams?.get(seen.team);
  return leaf === undefined ? open : Math.min(open, leaf.everyone);
}

/** Shares one object between rules with the same outcome, and one text per agent. */
class OutcomePool {
  readonly #known = new Map<string, BindingOutcome>();

  of({ agentId, dmScope, groupScope }: BindingRule): BindingOutcome {
    const key = JSON.stringify([agentId, dmScope, groupScope]);
    const outcome = this.#known.get(key) ?? { agentId, dmScope, groupScope };
    this.#known.set(key, outcome);
    return outcome;
  }
}
