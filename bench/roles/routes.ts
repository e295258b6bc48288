// Role: routes messages by configs of one size, each way in turn, and reports the rate per second.

import {
  type Binding,
  createRouter,
  type RouteInput,
  type RoutingConfig,
  resolveAgentRoute,
} from '../../packages/server/src/routing/index.ts';
import { sendToBench } from '../role.ts';

/**
 * `peers`: a binding for each person. `roles`: all in one guild, a role each. `wildcards`: every peer of a guild, a guild
 * each. `mixed`: some of all tiers.
 */
export type Shape = 'peers' | 'roles' | 'wildcards' | 'mixed';

export interface RoutesSpec {
  readonly shape: Shape;
  readonly bindings: number;
  readonly reps: number;
  /** Messages of one measurement; each is routed once, so that not even the hash of a text is known before. */
  readonly messages: number;
}

/** Of each repetition, in routes a second. */
export interface RoutesReport {
  readonly router: readonly number[];
  /** `resolveAgentRoute` with a config that is cached. */
  readonly cached: readonly number[];
  /** With `{...cfg}` each time. */
  readonly shallow: readonly number[];
  /** With a deep clone each time; the cloning is not counted. */
  readonly deep: readonly number[];
  /** The cloning alone, in clones a second. */
  readonly cloning: readonly number[];
  /** Going through all bindings, each normalised beforehand. */
  readonly scan: readonly number[];
}

const GUILD = '900000000000000001';
const AGENTS = 16;
/** A linear scan, and clones, are given so many ms: at 100 000 bindings a message takes milliseconds. */
const SLOW_MS = 150;

export function main({ shape, bindings, reps, messages }: RoutesSpec): void {
  const cfg = asReceived(configOf(shape, bindings));
  const router = createRouter(cfg);
  const scan = linearScan(cfg);
  const found = { router: [], cached: [], shallow: [], deep: [], cloning: [], scan: [] } as Record<
    keyof RoutesReport,
    number[]
  >;
  const inputs = (count: number) => asReceived(Array.from({ length: count }, () => inputOf(shape, bindings)));
  check(cfg, inputs(200), scan);
  // The first is to warm up.
  for (let rep = -1; rep < reps; rep++) {
    const one = {
      router: rate(inputs(messages), (input) => router.resolve(input).sessionKey),
      cached: rate(
        inputs(messages).map((input) => ({ cfg, ...input })),
        (input) => resolveAgentRoute(input).sessionKey,
      ),
      shallow: rate(
        inputs(messages).map((input) => ({ cfg: { ...cfg }, ...input })),
        (input) => resolveAgentRoute(input).sessionKey,
      ),
      ...clones(cfg, inputs(2000)),
      scan: rate(inputs(Math.min(messages, 20_000)), (input) => scan(input).sessionKey, SLOW_MS),
    };
    if (rep >= 0) for (const [name, value] of Object.entries(one)) found[name as keyof RoutesReport].push(value);
  }
  sendToBench('done', found satisfies RoutesReport);
}

/** In ms of processor time: what others do on the machine meanwhile does not count, collecting our garbage does. */
function spent(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** Calls a second. */
function rate<Input>(
  inputs: readonly Input[],
  route: (input: Input) => string,
  limitMs = Number.POSITIVE_INFINITY,
): number {
  // The messages were made a moment ago: moving them out of the nursery is not our work.
  globalThis.gc?.();
  const began = process.cpuUsage();
  let done = 0;
  let length = 0;
  for (const input of inputs) {
    length += route(input).length;
    done += 1;
    if (limitMs !== Number.POSITIVE_INFINITY && done % 16 === 0 && spent(began) > limitMs) break;
  }
  const ms = spent(began);
  // What comes out is used, so that nothing is optimised away.
  if (length === 0) throw new Error('Nothing was routed.');
  return (done * 1000) / ms;
}

function clones(cfg: RoutingConfig, inputs: readonly RouteInput[]): { deep: number; cloning: number } {
  let routingMs = 0;
  let cloningMs = 0;
  let done = 0;
  for (const input of inputs) {
    const began = performance.now();
    const clone = structuredClone(cfg);
    const cloned = performance.now();
    resolveAgentRoute({ cfg: clone, ...input });
    routingMs += performance.now() - cloned;
    cloningMs += cloned - began;
    done += 1;
    if (routingMs + cloningMs > 2 * SLOW_MS) break;
  }
  return { deep: (done * 1000) / routingMs, cloning: (done * 1000) / cloningMs };
}

/** The bench compares only what answers alike. */
function check(cfg: RoutingConfig, inputs: readonly RouteInput[], scan: ReturnType<typeof linearScan>): void {
  const router = createRouter(cfg);
  for (const input of inputs) {
    const [a, b, c] = [router.resolve(input), resolveAgentRoute({ cfg, ...input }), scan(input)];
    if (JSON.stringify(a) !== JSON.stringify(b) || a.sessionKey !== c.sessionKey || a.matchedBy !== c.matchedBy) {
      throw new Error(`They differ for ${JSON.stringify(input)}: ${JSON.stringify([a, b, c])}`);
    }
  }
}

/** Texts as a parser leaves them: flat, and no two the same object. */
const asReceived = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const random = (count: number): number => Math.floor(Math.random() * count);
/** Ids like those of a large platform. Made anew each time: a message and a binding share no text. */
const id = (kind: number, n: number): string => `${kind}${String(n).padStart(17, '0')}`;

function configOf(shape: Shape, count: number): RoutingConfig {
  const entries = Object.fromEntries(Array.from({ length: AGENTS }, (_, n) => [`agent-${n}`, {}]));
  const bindings = Array.from({ length: count }, (_, n): Binding => {
    const agentId = `agent-${n % AGENTS}`;
    const channel = 'discord';
    const peers = { channel, accountId: `account-${n % 5}`, peer: { kind: 'direct', id: id(1, n) } };
    const roles = { channel, accountId: '*', guildId: GUILD, roles: [id(2, n)] };
    const wildcards = { channel, accountId: '*', peer: { kind: 'channel', id: '*' }, guildId: id(3, n) };
    const guilds = { channel, accountId: `account-${n % 5}`, guildId: id(3, n), teamId: n % 3 === 0 ? id(4, n) : null };
    const rooms = { channel, accountId: '*', peer: { kind: 'channel', id: id(5, n) }, guildId: id(3, n) };
    const mixed = [peers, roles, wildcards, guilds, rooms][n % 5] ?? peers;
    return { agentId, match: { peers, roles, wildcards, mixed }[shape] };
  });
  return {
    bindings,
    agents: { ownership: 'explicit', defaults: { systemAgent: { agentId: 'agent-0' } }, entries },
    session: { dmScope: 'per-channel-peer' },
  };
}

/** Returns an input; half of the inputs have a binding. */
function inputOf(shape: Shape, count: number): RouteInput {
  const n = random(2 * count);
  const base = { channel: 'discord', accountId: `account-${n % 5}` };
  const room = { ...base, peer: { kind: 'channel', id: id(5, n) } };
  const memberRoleIds = Array.from({ length: 20 }, () => id(2, random(2 * count)));
  switch (shape === 'mixed' ? (['peers', 'roles', 'wildcards', 'guilds', 'rooms'] as const)[n % 5] : shape) {
    case 'peers':
      return { ...base, peer: { kind: 'direct', id: id(1, n) } };
    case 'roles':
      return { ...room, guildId: GUILD, memberRoleIds };
    case 'guilds':
      return { ...room, guildId: id(3, n), teamId: id(4, n), memberRoleIds: memberRoleIds.slice(0, 3) };
    default:
      return { ...room, guildId: id(3, n) };
  }
}

/**
 * What the index is compared with: one pass over all bindings, each of which has been normalised and given its tier
 * beforehand. Nothing is made a string of, nothing is looked up: the fastest scan that we could write.
 */
function linearScan(cfg: RoutingConfig): (input: RouteInput) => { sessionKey: string; matchedBy: string } {
  const tiers = ['binding.peer', 'binding.peer.wildcard', 'binding.guild+roles', 'binding.guild', 'binding.account'];
  const rules = (cfg.bindings ?? []).map(({ agentId, match }) => {
    const { peer, guildId, roles, accountId, channel, teamId } = match;
    const tier = peer ? (peer.id === '*' ? 1 : 0) : guildId ? ((roles ?? []).length > 0 ? 2 : 3) : 4;
    return { agentId, tier, channel, accountId, kind: peer?.kind, id: peer?.id, guildId, teamId, roles: roles ?? [] };
  });
  const empty: RoutingConfig = { ...cfg, bindings: [] };
  const fallback = createRouter(empty);
  return (input) => {
    const { channel, accountId, peer, guildId, teamId } = input;
    const members = input.memberRoleIds ?? [];
    let best = tiers.length;
    let winner: (typeof rules)[number] | undefined;
    for (const rule of rules) {
      if (rule.tier >= best || rule.channel !== channel) continue;
      if (rule.accountId !== '*' && rule.accountId !== accountId) continue;
      if (rule.tier < 2 && (rule.kind !== peer?.kind || (rule.tier === 0 && rule.id !== peer?.id))) continue;
      if (rule.guildId && rule.guildId !== guildId) continue;
      if (rule.teamId && rule.teamId !== teamId) continue;
      if (rule.roles.length > 0 && !rule.roles.some((role) => members.includes(role))) continue;
      best = rule.tier;
      winner = rule;
    }
    const route = fallback.resolve(winner === undefined ? input : { ...input, defaultAgentId: winner.agentId });
    return { sessionKey: route.sessionKey, matchedBy: winner === undefined ? 'default' : (tiers[best] ?? '') };
  };
}
