// Normalisation of names and ids before comparisons. Each function is idempotent.

const SLUG = /^[a-z0-9][a-z0-9_-]{0,63}$/i;
const MAX_SLUG = 64;

export const DEFAULT_ACCOUNT = 'default';
export const MAIN_AGENT = 'main';
/** Wildcard for the account of a binding, and for the id of its peer. */
export const ANY = '*';

/** Normalises a channel name. No binding has an empty channel. */
export const channelName = (raw: unknown): string => (typeof raw === 'string' ? raw.trim().toLowerCase() : '');

/**
 * Normalises an account name. Blank, or empty after normalisation: `default`. Also for `*`, which is an account only in
 * a binding.
 */
export function accountName(raw: unknown): string {
  if (raw === undefined || raw === null) return DEFAULT_ACCOUNT;
  const name = slug(raw);
  // Names that are special as keys of objects, wherever accounts are stored by name.
  if (name === '' || name === '__proto__' || name === 'prototype' || name === 'constructor') return DEFAULT_ACCOUNT;
  return name;
}

/** Normalises an agent name. Blank, or empty after normalisation: `main`. */
export const agentName = (raw: unknown): string => slug(raw) || MAIN_AGENT;

export const isBlank = (raw: unknown): boolean => typeof raw !== 'string' || raw.trim() === '';

/** Normalises the id of a peer, guild or team. Case-sensitive. Returns '' for other types than text and number. */
export function idText(raw: unknown): string {
  if (typeof raw === 'string') return raw.trim();
  return typeof raw === 'number' || typeof raw === 'bigint' ? String(raw) : '';
}

export type PeerKind = 'direct' | 'group' | 'channel';

export function peerKind(raw: unknown): PeerKind | undefined {
  if (raw === 'direct' || raw === 'group' || raw === 'channel') return raw;
  if (typeof raw !== 'string') return undefined;
  const kind = raw.trim().toLowerCase();
  if (kind === 'dm' || kind === 'direct') return 'direct';
  return kind === 'group' || kind === 'channel' ? kind : undefined;
}

function slug(raw: unknown): string {
  if (typeof raw !== 'string') return typeof raw === 'number' || typeof raw === 'bigint' ? slug(String(raw)) : '';
  const text = raw.trim();
  if (SLUG.test(text)) return text.toLowerCase();
  const dashed = text.toLowerCase().replace(/[^a-z0-9_-]+/g, '-');
  // A loop: a regular expression that is tried at every dash takes O(n²) time on a text of dashes.
  let from = 0;
  let to = dashed.length;
  while (from < to && dashed[from] === '-') from += 1;
  while (to > from && dashed[to - 1] === '-') to -= 1;
  return dashed.slice(from, Math.min(to, from + MAX_SLUG));
}
