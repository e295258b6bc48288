// The explanation of a route for people: each tier, its bindings, and the conditions that did not match.

import { type BindingFault, type BindingRule, folded, tierOf } from './bindings.ts';
import { ANY, idText, peerKind } from './normalise.ts';
import { type AgentRoute, type MatchedBy, type Peer, RouteError, type RouteInput, TIERS, type Tier } from './route.ts';
import { type RouterParts, routeOf } from './router.ts';

export interface Candidate {
  /** Index of the binding in the config. */
  readonly index: number;
  /** Null if the binding names no agent. */
  readonly agentId: string | null;
  /** True for the winner, and for bindings that would win if they stood before it. */
  readonly matches: boolean;
  readonly why: string;
}

export interface TierReport {
  readonly tier: MatchedBy;
  /** `not_applicable`: the message lacks the part that this tier compares. `not_tried`: an earlier tier has won. */
  readonly outcome: 'matched' | 'no_match' | 'not_applicable' | 'not_tried';
  readonly why: string;
  /** Matches first, then the bindings with the fewest misses; at most 5. */
  readonly candidates: readonly Candidate[];
  /** Number of further bindings in this tier. */
  readonly more: number;
}

export interface Explanation {
  /** Null if the message cannot be routed; see `error`. */
  readonly route: AgentRoute | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Index of the winning binding; null without a winner. */
  readonly binding: number | null;
  /** One sentence. */
  readonly why: string;
  /** All nine, in the order in which they are tried. */
  readonly tiers: readonly TierReport[];
  /** Bindings without a comparison: those of other channels, and those that are faulty or not for routing. */
  readonly passedOver: { readonly otherChannels: number; readonly faulty: number };
}

const MAX_CANDIDATES = 5;
const MAX_TEXT = 64;
const MAX_ROLES = 5;

export function explain(
  parts: RouterParts,
  rules: readonly (BindingRule | BindingFault | undefined)[],
  input: RouteInput,
): Explanation {
  const found = parts.index.find(input);
  const message = messageOf(input, found.accountId);
  const all = rules.filter((rule) => typeof rule === 'object');
  const here = all.filter((rule) => rule.channel === found.channel);
  const { route, error } = attempt(() => routeOf(found, parts, input));
  const won = here.find((rule) => rule.order === found.order);
  const wonAt = found.matchedBy === 'default' ? TIERS.length : TIERS.indexOf(found.matchedBy);
  const tiers: TierReport[] = TIERS.map((tier, at) => {
    if (at > wonAt) return { tier, outcome: 'not_tried', why: 'An earlier tier has won.', candidates: [], more: 0 };
    const lacks = lackOf(tier, message);
    if (lacks !== undefined) return { tier, outcome: 'not_applicable', why: lacks, candidates: [], more: 0 };
    return report(tier, here, message, at === wonAt ? won : undefined);
  });
  tiers.push(
    won === undefined
      ? { ...defaultTier(input, route), candidates: [], more: 0 }
      : { tier: 'default', outcome: 'not_tried', why: 'A binding has won.', candidates: [], more: 0 },
  );
  return {
    route,
    error,
    binding: won?.order ?? null,
    why: sentence(won, found.matchedBy, route, error),
    tiers,
    passedOver: { otherChannels: all.length - here.length, faulty: rules.length - all.length },
  };
}

interface ComparedMessage {
  readonly accountId: string;
  readonly peer: ComparedPeer | undefined;
  readonly parentPeer: ComparedPeer | undefined;
  readonly guildId: string;
  readonly teamId: string;
  readonly roles: readonly unknown[];
}

/** A normalised peer. `kind`: undefined for a kind that no binding can name. */
interface ComparedPeer {
  readonly kind: 'direct' | 'group' | undefined;
  readonly id: string;
  /** The name as given. */
  readonly name: string;
}

function messageOf(input: RouteInput, accountId: string): ComparedMessage {
  return {
    accountId,
    peer: compared(input.peer),
    parentPeer: compared(input.parentPeer),
    guildId: idText(input.guildId),
    teamId: idText(input.teamId),
    roles: input.memberRoleIds ?? [],
  };
}

function compared(peer: Peer | null | undefined): ComparedPeer | undefined {
  if (peer === undefined || peer === null) return undefined;
  const kind = peerKind(peer.kind);
  const id = idText(peer.id);
  return {
    kind: kind === undefined ? undefined : folded(kind),
    id,
    name: `${kind ?? peer.kind}:${id === '' ? '(no id)' : shown(id)}`,
  };
}

/** Returns a sentence about the part that a message lacks for a tier; undefined if it lacks none. */
function lackOf(tier: Tier, { peer, parentPeer, guildId, teamId, roles }: ComparedMessage): string | undefined {
  switch (tier) {
    case 'binding.peer':
      if (peer === undefined) return 'The message names no peer.';
      if (peer.kind === undefined) return `No binding can name a peer such as ${peer.name}.`;
      return peer.id === '' ? 'The peer of the message has no id.' : undefined;
    case 'binding.peer.parent':
      if (parentPeer === undefined) return 'The message names no parent: it is in no thread.';
      if (parentPeer.kind === undefined) return `No binding can name a peer such as ${parentPeer.name}.`;
      return parentPeer.id === '' ? 'The parent of the message has no id.' : undefined;
    case 'binding.peer.wildcard':
      if (peer === undefined) return 'The message names no peer.';
      return peer.kind === undefined ? `No binding can name a peer such as ${peer.name}.` : undefined;
    case 'binding.guild+roles':
      if (guildId === '') return 'The message names no guild.';
      return roles.length === 0 ? 'The message names no roles.' : undefined;
    case 'binding.guild':
      return guildId === '' ? 'The message names no guild.' : undefined;
    case 'binding.team':
      return teamId === '' ? 'The message names no team.' : undefined;
    default:
      return undefined;
  }
}

function report(
  tier: Tier,
  rules: readonly BindingRule[],
  message: ComparedMessage,
  won: BindingRule | undefined,
): TierReport {
  const home = tier === 'binding.peer.parent' ? 'binding.peer' : tier;
  const nearest: { readonly rule: BindingRule; readonly misses: readonly string[] }[] = [];
  let count = 0;
  for (const rule of rules) {
    if (tierOf(rule) !== home) continue;
    count += 1;
    const misses = missesOf(rule, message, tier === 'binding.peer.parent' ? message.parentPeer : message.peer);
    // Sorted and short at any time: a channel may have a hundred thousand bindings.
    const place = nearest.findIndex((other) => other.misses.length > misses.length);
    if (place >= 0) nearest.splice(place, 0, { rule, misses });
    else if (nearest.length < MAX_CANDIDATES) nearest.push({ rule, misses });
    if (nearest.length > MAX_CANDIDATES) nearest.pop();
  }
  const candidates = nearest.map(({ rule, misses }) => ({
    index: rule.order,
    agentId: rule.agentId ?? null,
    matches: misses.length === 0,
    why: misses.length > 0 ? `${misses.join('; ')}.` : whyNot(rule, won),
  }));
  const outcome = won === undefined ? 'no_match' : 'matched';
  const why = won !== undefined ? `Binding ${won.order} wins.` : count === 0 ? 'No binding here.' : 'None matches.';
  return { tier, outcome, why, candidates, more: count - candidates.length };
}

const whyNot = (rule: BindingRule, won: BindingRule | undefined): string =>
  rule === won ? 'All of its conditions hold.' : `It would match, but binding ${won?.order} stands before it.`;

/** Returns the conditions of a rule that do not match, each in a few words. */
function missesOf(rule: BindingRule, message: ComparedMessage, peer: ComparedPeer | undefined): string[] {
  const misses: string[] = [];
  if (rule.accountId !== ANY && rule.accountId !== message.accountId) {
    misses.push(`it is for the account ${shown(rule.accountId)}, not ${shown(message.accountId)}`);
  }
  if (
    rule.peer !== undefined &&
    (rule.peer.kind !== peer?.kind || (rule.peer.id !== ANY && rule.peer.id !== peer.id))
  ) {
    const name = rule.peer.kind === 'direct' ? 'direct' : 'group or channel';
    misses.push(`it is for ${name} ${shown(rule.peer.id)}, not ${peer?.name ?? 'for messages without a peer'}`);
  }
  if (rule.guildId !== '' && rule.guildId !== message.guildId)
    misses.push(differs('guild', rule.guildId, message.guildId));
  if (rule.teamId !== '' && rule.teamId !== message.teamId) misses.push(differs('team', rule.teamId, message.teamId));
  if (rule.roles.length > 0 && !rule.roles.some((role) => message.roles.includes(role))) {
    const some = rule.roles.slice(0, MAX_ROLES).map(shown).join(', ');
    misses.push(`it needs one of the roles ${some}${rule.roles.length > MAX_ROLES ? ' …' : ''}`);
  }
  return misses;
}

const differs = (what: string, expected: string, actual: string): string =>
  `it is for the ${what} ${shown(expected)}, ${actual === '' ? `and the message names none` : `not ${shown(actual)}`}`;

const defaultTier = (input: RouteInput, route: AgentRoute | null): Pick<TierReport, 'tier' | 'outcome' | 'why'> =>
  route === null
    ? { tier: 'default', outcome: 'no_match', why: 'No binding matches, and no default agent gets it.' }
    : { tier: 'default', outcome: 'matched', why: defaultWhy(input) };

const defaultWhy = ({ defaultAgentId }: RouteInput): string =>
  typeof defaultAgentId === 'string' && defaultAgentId.trim() !== ''
    ? `No binding matches: the caller's default, ${shown(defaultAgentId.trim())}.`
    : 'No binding matches: the default agent.';

function sentence(
  won: BindingRule | undefined,
  matchedBy: MatchedBy,
  route: AgentRoute | null,
  error: Explanation['error'],
): string {
  const by = won === undefined ? 'No binding matches' : `Binding ${won.order} wins in the tier ${matchedBy}`;
  if (route === null) return `${by}, and the message cannot be routed: ${error?.message}`;
  return won === undefined
    ? `${by}, so it goes to the default agent ${route.agentId}.`
    : `${by}: it goes to the agent ${route.agentId}.`;
}

function attempt(act: () => AgentRoute): Pick<Explanation, 'route' | 'error'> {
  try {
    return { route: act(), error: null };
  } catch (error) {
    if (!(error instanceof RouteError)) throw error;
    return { route: null, error: { code: error.code, message: error.message } };
  }
}

/** Returns a value as text. Config and messages come from outside, so long texts are cut. */
function shown(value: unknown): string {
  const text = String(value);
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}
