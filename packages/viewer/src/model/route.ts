// The route of the page, as its address stores it: a session, a conversation, a search, the traffic, the recordings,
// the plugins, the tokens. Pure.

import { type ConversationKey, isConversationKey, isSessionId } from '@binnacle/protocol';
import { askIn, askWords, type TrafficAsk } from './traffic-query.ts';

export type Choice =
  /** `at`: the output offset to begin at; without it the end is shown. */
  | { readonly kind: 'session'; readonly id: string; readonly at?: number }
  | { readonly kind: 'conversation'; readonly key: ConversationKey }
  | SearchChoice
  | { readonly kind: 'traffic'; readonly ask: TrafficAsk }
  | { readonly kind: 'recordings' }
  | { readonly kind: 'plugins' }
  | { readonly kind: 'tokens' };

/** A search. `q` may be empty: the page then waits for words. */
export interface SearchChoice {
  readonly kind: 'search';
  readonly q: string;
  /** Restricts the search to this session. */
  readonly session?: string;
  readonly source?: string;
}

export const isSameChoice = (a: Choice | undefined, b: Choice | undefined): boolean => addressOf(a) === addressOf(b);

/** Returns the route of the list's row: a session without its offset. */
export const rowOf = (choice: Choice | undefined): Choice | undefined =>
  choice?.kind === 'session' ? { kind: 'session', id: choice.id } : choice;

/** Returns the fragment of a route, with `#`; empty for none. */
export function addressOf(choice: Choice | undefined): string {
  if (choice === undefined) return '';
  switch (choice.kind) {
    case 'session':
      return `#/${choice.id}${choice.at === undefined ? '' : `?at=${choice.at}`}`;
    case 'conversation':
      return `#/c/${encodeURIComponent(choice.key)}`;
    case 'search':
      return withWords('#/search', { q: choice.q, session: choice.session, source: choice.source });
    case 'traffic':
      return withWords('#/traffic', askWords(choice.ask));
    case 'recordings':
      return '#/recordings';
    case 'plugins':
      return '#/plugins';
    case 'tokens':
      return '#/tokens';
  }
}

/** Parses a fragment; undefined if it names nothing that could be shown. */
export function choiceIn(hash: string): Choice | undefined {
  if (!hash.startsWith('#/')) return undefined;
  const [path = '', words = ''] = halves(hash.slice(2), '?');
  const given = new URLSearchParams(words);
  if (isSessionId(path)) {
    const at = given.get('at') ?? '';
    return /^\d{1,15}$/.test(at) ? { kind: 'session', id: path, at: Number(at) } : { kind: 'session', id: path };
  }
  if (path === 'search') {
    const [session, source] = [given.get('session'), given.get('source')];
    return {
      kind: 'search',
      q: given.get('q') ?? '',
      ...(session === null ? {} : { session }),
      ...(source === null ? {} : { source }),
    };
  }
  if (path === 'traffic') return { kind: 'traffic', ask: askIn(given) };
  if (path === 'recordings') return { kind: 'recordings' };
  if (path === 'plugins') return { kind: 'plugins' };
  if (path === 'tokens') return { kind: 'tokens' };
  if (!path.startsWith('c/')) return undefined;
  try {
    const key = decodeURIComponent(path.slice(2));
    return isConversationKey(key) ? { kind: 'conversation', key } : undefined;
  } catch {
    return undefined; // a broken escape names nothing
  }
}

/** Returns what an invalid fragment was meant to name; undefined for a valid or an empty one. */
export function strayIn(hash: string): 'session' | 'conversation' | undefined {
  if (!hash.startsWith('#/') || hash === '#/' || choiceIn(hash) !== undefined) return undefined;
  return hash.startsWith('#/c/') ? 'conversation' : 'session';
}

function halves(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function withWords(path: string, words: Readonly<Record<string, string | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) if (value !== undefined && value !== '') given.set(name, value);
  const text = given.toString();
  return text === '' ? path : `${path}?${text}`;
}
