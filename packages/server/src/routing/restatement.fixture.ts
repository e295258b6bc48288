// The rules of routing once more, slowly and plainly: tier after tier, each binding in turn. Shares no code with routing.

interface Match {
  channel?: unknown;
  accountId?: unknown;
  peer?: { kind?: unknown; id?: unknown } | null;
  guildId?: unknown;
  teamId?: unknown;
  roles?: string[] | null;
}
export interface SlowBinding {
  type?: string | null;
  agentId?: string;
  match?: Match | null;
  session?: { dmScope?: string | null; groupScope?: string | null } | null;
}
export interface SlowConfig {
  bindings?: (SlowBinding | null)[];
  agents?: {
    entries?: Record<string, { default?: boolean } | null>;
    list?: ({ id?: string; default?: boolean } | null)[];
    ownership?: string;
    defaults?: { systemAgent?: { agentId?: string } };
  };
  session?: {
    dmScope?: string | null;
    groupScope?: string | null;
    mainKey?: string;
    identityLinks?: Record<string, unknown>;
  };
}
export interface SlowInput {
  channel: string;
  accountId?: string | null;
  peer?: { kind: string; id: string | number | bigint } | null;
  parentPeer?: { kind: string; id: string | number | bigint } | null;
  guildId?: string | number | bigint | null;
  teamId?: string | number | bigint | null;
  memberRoleIds?: string[] | null;
  dmScope?: string | null;
  groupScope?: string | null;
  defaultAgentId?: string | null;
}

const text = (value: unknown): string =>
  typeof value === 'string' ? value.trim() : ['number', 'bigint'].includes(typeof value) ? `${value}` : '';
const nameOf = (value: unknown): string => text(value).toLowerCase();

function slug(value: unknown, otherwise: string): string {
  const trimmed = text(value);
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/i.test(trimmed)) return trimmed.toLowerCase();
  const dashed = trimmed
    .toLowerCase()
    .split('')
    .map((char) => (/[a-z0-9_-]/.test(char) ? char : ' '))
    .join('')
    .replace(/ +/g, '-');
  return dashed.replace(/^-+|-+$/g, '').slice(0, 64) || otherwise;
}

function account(value: unknown): string {
  const name = slug(value, 'default');
  return ['__proto__', 'prototype', 'constructor'].includes(name) ? 'default' : name;
}

function kindOf(value: unknown): string | undefined {
  const kind = nameOf(value) === 'dm' ? 'direct' : nameOf(value);
  return ['direct', 'group', 'channel'].includes(kind) ? kind : undefined;
}
const alike = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && b !== undefined && (a === b || (a !== 'direct' && b !== 'direct'));

/** As routes are, or `{ code }` for what cannot be routed. */
export function slowRoute(cfg: SlowConfig, input: SlowInput): Record<string, unknown> {
  const channel = nameOf(input.channel);
  const accountId = account(input.accountId);
  const guild = text(input.guildId);
  const team = text(input.teamId);
  const members = input.memberRoleIds ?? [];

  const candidates = (cfg.bindings ?? []).flatMap((binding) => {
    const match = binding?.match;
    if (!binding || !match || binding.type === 'acp') return [];
    if (nameOf(match.channel) === '' || nameOf(match.channel) !== channel) return [];
    const any = text(match.accountId) === '*';
    if (!any && account(match.accountId) !== accountId) return [];
    if (match.peer && (kindOf(match.peer.kind) === undefined || text(match.peer.id) === '')) return [];
    const wantsGuild = text(match.guildId);
    const wantsTeam = text(match.teamId);
    const roles = match.roles ?? [];
    if (wantsGuild !== '' && wantsGuild !== guild) return [];
    if (wantsTeam !== '' && wantsTeam !== team) return [];
    if (roles.length > 0 && !roles.some((role) => members.includes(role))) return [];
    return [{ binding, any, peer: match.peer, guild: wantsGuild, team: wantsTeam, roles }];
  });
  type Candidate = (typeof candidates)[number];

  const isPeer =
    (peer: SlowInput['peer']) =>
    (candidate: Candidate): boolean =>
      !!peer &&
      !!candidate.peer &&
      text(candidate.peer.id) !== '*' &&
      text(candidate.peer.id) === text(peer.id) &&
      alike(kindOf(candidate.peer.kind), kindOf(peer.kind));
  const tiers: [string, (candidate: Candidate) => boolean][] = [
    ['binding.peer', isPeer(input.peer)],
    ['binding.peer.parent', isPeer(input.parentPeer)],
    [
      'binding.peer.wildcard',
      ({ peer }) =>
        !!input.peer && !!peer && text(peer.id) === '*' && alike(kindOf(peer.kind), kindOf(input.peer.kind)),
    ],
    ['binding.guild+roles', (one) => !one.peer && one.guild !== '' && one.roles.length > 0],
    ['binding.guild', (one) => !one.peer && one.guild !== '' && one.roles.length === 0],
    ['binding.team', (one) => !one.peer && one.guild === '' && one.team !== ''],
    ['binding.account', (one) => !one.peer && one.guild === '' && one.team === '' && !one.any],
    ['binding.channel', (one) => !one.peer && one.guild === '' && one.team === '' && one.any],
  ];
  let matchedBy = 'default';
  let hit: SlowBinding | undefined;
  for (const [tier, belongs] of tiers) {
    const first = candidates.find(belongs);
    if (first === undefined) continue;
    matchedBy = tier;
    hit = first.binding;
    break;
  }

  const agent = hit === undefined ? pick(cfg, input.defaultAgentId) : pick(cfg, hit.agentId);
  if (typeof agent !== 'string') return agent;
  const dmScope = hit?.session?.dmScope ?? input.dmScope ?? cfg.session?.dmScope ?? 'main';
  const groupScope = hit?.session?.groupScope ?? input.groupScope ?? cfg.session?.groupScope ?? 'per-group';
  const mainSessionKey = `agent:${agent}:${nameOf(cfg.session?.mainKey) || 'main'}`;
  const sessionKey =
    keyOf(agent, channel || 'unknown', accountId, input.peer, dmScope, groupScope, cfg) ?? mainSessionKey;
  const lastRoutePolicy = sessionKey === mainSessionKey ? 'main' : 'session';
  return {
    agentId: agent,
    channel,
    accountId,
    dmScope,
    groupScope,
    sessionKey,
    mainSessionKey,
    lastRoutePolicy,
    matchedBy,
  };
}

/** Undefined for the main key. */
function keyOf(
  agent: string,
  channel: string,
  accountId: string,
  peer: SlowInput['peer'],
  dmScope: string,
  groupScope: string,
  cfg: SlowConfig,
): string | undefined {
  if (!peer) return undefined;
  const kind = kindOf(peer.kind) ?? peer.kind;
  if (kind !== 'direct') {
    if (groupScope === 'main') return undefined;
    const keeps = (channel === 'signal' && kind === 'group') || (channel === 'matrix' && kindOf(kind) !== undefined);
    const id = text(peer.id) || 'unknown';
    return `agent:${agent}:${channel}:${kind}:${keeps ? id : id.toLowerCase()}`;
  }
  let id = nameOf(peer.id) || 'unknown';
  const entries = Object.entries(cfg.session?.identityLinks ?? {});
  const link = entries.find(
    ([name, ids]) =>
      name.trim() !== '' &&
      Array.isArray(ids) &&
      ids.some((one) => typeof one === 'string' && [id, `${channel}:${id}`].includes(nameOf(one))),
  );
  if (link !== undefined) id = nameOf(link[0]);
  if (dmScope === 'per-peer') return `agent:${agent}:direct:${id}`;
  if (dmScope === 'per-channel-peer') return `agent:${agent}:${channel}:direct:${id}`;
  if (dmScope === 'per-account-channel-peer') return `agent:${agent}:${channel}:${accountId}:direct:${id}`;
  return undefined;
}

function pick(cfg: SlowConfig, requested: string | null | undefined): string | { code: string } {
  const agents = cfg.agents;
  const isConfigured = agents?.entries !== undefined || agents?.list !== undefined;
  const listed =
    agents?.entries !== undefined
      ? Object.entries(agents.entries).flatMap(([id, entry]) => (entry ? [{ id, default: entry.default }] : []))
      : (agents?.list ?? []).flatMap((entry) => (entry ? [entry] : []));
  const names = listed.filter(({ id }) => text(id) !== '').map(({ id }) => slug(id, 'main'));
  if (text(requested) !== '') {
    const name = slug(requested, 'main');
    if (names.length === 0 || name === 'main' || names.includes(name)) return name;
    return { code: 'AGENT_SELECTION_REQUIRED' };
  }
  if (!isConfigured) return 'main';
  if (listed.length === 0) return { code: 'NO_AGENTS_CONFIGURED' };
  const system = text(agents?.defaults?.systemAgent?.agentId);
  const all = listed.map(({ id }) => slug(id, 'main'));
  if (agents?.ownership === 'explicit') {
    if (system !== '' && all.includes(slug(system, 'main'))) return slug(system, 'main');
  } else {
    const marked = listed.filter((entry) => entry.default === true);
    if (marked.length === 1) return slug(marked[0]?.id, 'main');
  }
  return listed.length === 1 ? slug(listed[0]?.id, 'main') : { code: 'AGENT_SELECTION_REQUIRED' };
}
