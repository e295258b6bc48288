// Session keys: composition, parsing and classification.

import { accountName, agentName, channelName, idText, isBlank, peerKind } from './normalise.ts';
import type { DmScope, GroupScope, Id, Peer } from './route.ts';

const DEFAULT_MAIN_KEY = 'main';
/** Placeholder for an empty channel or id, so that no two keys differ by a missing part alone. */
const UNKNOWN = 'unknown';

/** Returns the last part of an agent's main key. */
export const mainKeyName = (raw: unknown): string =>
  isBlank(raw) ? DEFAULT_MAIN_KEY : String(raw).trim().toLowerCase();

export const mainSessionKey = (agentId: string, mainKey: string): string => `agent:${agentId}:${mainKey}`;

/** The parts of a session key, normalised. */
export interface KeyParts {
  readonly agentId: string;
  readonly channel: string;
  readonly accountId: string;
  readonly mainKey: string;
  readonly peer: Peer | null | undefined;
  readonly dmScope: DmScope;
  readonly groupScope: GroupScope;
  readonly links: IdentityLinks | undefined;
}

/** Returns the key of the conversation to which a message belongs. */
export function sessionKeyOf(parts: KeyParts): string {
  const { agentId, peer, mainKey } = parts;
  if (peer === undefined || peer === null) return mainSessionKey(agentId, mainKey);
  // An unknown kind is written unchanged: a separate room rather than a shared one.
  const kind = peerKind(peer.kind) ?? peer.kind ?? 'direct';
  const channel = parts.channel === '' ? UNKNOWN : parts.channel;
  if (kind === 'direct') return directKey(parts, channel, idText(peer.id));
  if (parts.groupScope === 'main') return mainSessionKey(agentId, mainKey);
  return `agent:${agentId}:${channel}:${kind}:${roomId(channel, kind, idText(peer.id))}`;
}

function directKey(parts: KeyParts, channel: string, id: string): string {
  const { agentId, dmScope, links } = parts;
  if (dmScope === 'main') return mainSessionKey(agentId, parts.mainKey);
  const name = id === '' ? UNKNOWN : id.toLowerCase();
  const person = links === undefined ? name : (links.nameOf(channel, name) ?? name);
  if (dmScope === 'per-peer') return `agent:${agentId}:direct:${person}`;
  if (dmScope === 'per-channel-peer') return `agent:${agentId}:${channel}:direct:${person}`;
  if (dmScope === 'per-account-channel-peer') return `agent:${agentId}:${channel}:${parts.accountId}:direct:${person}`;
  return mainSessionKey(agentId, parts.mainKey);
}

/**
 * Returns the room id in the key. Room ids of Signal (base64) and Matrix may differ by case alone; lowercase would
 * merge two rooms into one conversation.
 */
function roomId(channel: string, kind: string, id: string): string {
  if (id === '') return UNKNOWN;
  return keepsCase(channel, kind) ? id : id.toLowerCase();
}

const keepsCase = (channel: string, kind: string): boolean =>
  channel === 'signal' ? kind === 'group' : channel === 'matrix' && (kind === 'group' || kind === 'channel');

/** Returns the history key of a room, which is the same for all agents: no agent in the key. */
export function groupHistoryKey(room: {
  readonly channel: string;
  readonly accountId?: string | null;
  readonly peer: Peer;
}): string {
  const channel = channelName(room.channel) || UNKNOWN;
  const kind = peerKind(room.peer.kind) ?? room.peer.kind;
  return `${channel}:${accountName(room.accountId)}:${kind}:${roomId(channel, kind, idText(room.peer.id))}`;
}

/** The ids of one person on several channels, and their common name. */
export class IdentityLinks {
  /** Names by id or by `channel:id`, in lower case. */
  readonly #byId: ReadonlyMap<string, { readonly rank: number; readonly name: string }>;

  /** `links`: in the order of the config. If two names claim one id, the first gets it. */
  constructor(links: readonly LinkReading[]) {
    const byId = new Map<string, { rank: number; name: string }>();
    for (const [rank, { name, ids }] of links.entries()) {
      if (name.trim() === '') continue;
      for (const raw of ids) {
        const id = idText(raw).toLowerCase();
        if (typeof raw === 'string' && id !== '' && !byId.has(id)) {
          byId.set(id, { rank, name: name.trim().toLowerCase() });
        }
      }
    }
    this.#byId = byId;
  }

  /** Returns the common name of an id. `id`: in lower case. */
  nameOf(channel: string, id: string): string | undefined {
    const bare = this.#byId.get(id);
    const there = this.#byId.get(`${channel}:${id}`);
    if (bare === undefined || there === undefined) return (bare ?? there)?.name;
    return there.rank < bare.rank ? there.name : bare.name;
  }
}

export interface LinkReading {
  readonly name: string;
  readonly ids: readonly unknown[];
}

/** Copies `session.identityLinks`. Leaves out values that are no list of ids. */
export function readLinks(raw: unknown): readonly LinkReading[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  return Object.entries(raw).flatMap(([name, ids]) => (Array.isArray(ids) ? [{ name, ids: [...ids] }] : []));
}

export function saysLinksStill(was: readonly LinkReading[], raw: object): boolean {
  let at = 0;
  const now = raw as Readonly<Record<string, unknown>>;
  for (const name in now) {
    const ids = now[name];
    if (!Array.isArray(ids) || !Object.hasOwn(now, name)) continue;
    const before = was[at++];
    if (before?.name !== name || before.ids.length !== ids.length) return false;
    for (let n = 0; n < ids.length; n++) if (!Object.is(ids[n], before.ids[n])) return false;
  }
  return at === was.length;
}

export interface ParsedKey {
  /** The agent id of the key, in lower case. */
  readonly agentId: string;
  readonly rest: string;
}

/** `agent` may have any case; the rest is not empty and does not begin with a colon. */
const AGENT_KEY = /^agent:([^:]+):([^:].*)$/is;

/** Returns undefined for a text that is no agent's key. */
export function parseSessionKey(raw: string | null | undefined): ParsedKey | undefined {
  const [, agentId = '', rest = ''] = AGENT_KEY.exec((raw ?? '').trim()) ?? [];
  if (agentId.trim() === '' || rest.trim() === '') return undefined;
  return { agentId: agentId.trim().toLowerCase(), rest: restOf(rest) };
}

function restOf(rest: string): string {
  const [channel = '', kind = '', ...id] = rest.split(':');
  const there = channel.toLowerCase();
  const isRoom = id.length > 0 && keepsCase(there, kind.toLowerCase());
  return isRoom ? `${there}:${kind.toLowerCase()}:${id.join(':')}` : rest.toLowerCase();
}

/** `malformed`: begins like an agent's key and is none. `alias`: a short name for an agent's key. */
export type KeyShape = 'missing' | 'agent' | 'malformed' | 'alias';

export function keyShape(raw: string | null | undefined): KeyShape {
  const key = (raw ?? '').trim();
  if (key === '') return 'missing';
  if (parseSessionKey(key) !== undefined) return 'agent';
  return /^agent:/i.test(key) ? 'malformed' : 'alias';
}

/** Returns the full key for an agent's short name: blank and `main` mean its main key. */
export function agentSessionKey(agentId: string, raw: string | null | undefined, mainKey?: string): string {
  const key = (raw ?? '').trim();
  const parsed = parseSessionKey(key);
  if (parsed !== undefined) return `agent:${parsed.agentId}:${parsed.rest}`;
  const name = agentName(agentId);
  if (key === '' || key.toLowerCase() === DEFAULT_MAIN_KEY) return mainSessionKey(name, mainKeyName(mainKey));
  return `agent:${name}:${restOf(key)}`;
}

/** Returns whether a key belongs to no agent. */
export const isUnscopedKey = (key: string): boolean => key === 'global' || key === 'unknown';

export type SpecialKey =
  | { readonly kind: 'cron'; readonly job: string; readonly run: string | undefined }
  /** `depth`: 1 for a helper, 2 for a helper's helper. */
  | { readonly kind: 'subagent'; readonly depth: number }
  | { readonly kind: 'acp' }
  | { readonly kind: 'dashboard' };

/** Returns the special purpose of a key; undefined for a conversation with people. */
export function specialKey(key: string): SpecialKey | undefined {
  const parts = (parseSessionKey(key)?.rest ?? key.trim()).split(':');
  const [head = '', name] = parts;
  if (name === undefined || name === '') return undefined;
  switch (head.toLowerCase()) {
    case 'cron':
      return { kind: 'cron', job: name, run: parts[2]?.toLowerCase() === 'run' ? parts[3] : undefined };
    case 'subagent':
      return { kind: 'subagent', depth: parts.filter((part) => part.toLowerCase() === 'subagent').length };
    case 'acp':
      return { kind: 'acp' };
    case 'dashboard':
      return { kind: 'dashboard' };
    default:
      return undefined;
  }
}

const THREAD = ':thread:';

export interface ThreadKeys {
  readonly sessionKey: string;
  /** Key of the thread's parent; only for a thread. */
  readonly parentSessionKey?: string;
}

/** Returns the keys of a thread below a conversation. A blank id is no thread. `normalise`: default lower case. */
export function threadKeys(options: {
  readonly sessionKey: string;
  readonly threadId: Id | null | undefined;
  readonly parentSessionKey?: string;
  readonly normalise?: (threadId: string) => string;
}): ThreadKeys {
  const id = idText(options.threadId);
  if (id === '') return { sessionKey: options.sessionKey };
  const normalise = options.normalise ?? ((text: string) => text.toLowerCase());
  const sessionKey = `${options.sessionKey}${THREAD}${normalise(id)}`;
  return options.parentSessionKey === undefined
    ? { sessionKey }
    : { sessionKey, parentSessionKey: options.parentSessionKey };
}

/** Splits a key at the last `:thread:`. A Telegram topic (`:topic:`) is a part of its group's id and no thread. */
export function parseThreadKey(key: string): { readonly base: string; readonly threadId: string | undefined } {
  const at = key.toLowerCase().lastIndexOf(THREAD);
  const threadId = at < 0 ? '' : key.slice(at + THREAD.length).trim();
  return { base: at < 0 ? key : key.slice(0, at), threadId: threadId === '' ? undefined : threadId };
}
