// The route of the page, as its address stores it: a session, a conversation, a search, the traffic, the recordings,
// the plugins, the tokens. Pure.

import { type ConversationKey, isConversationKey, isSessionId } from '@binnacle/protocol';
import { filterParams, parseTrafficFilter, type TrafficFilter } from './traffic-query.ts';

export type Route =
  /** `at`: the output offset to begin at; without it the end is shown. */
  | { readonly kind: 'session'; readonly id: string; readonly at?: number }
  | { readonly kind: 'conversation'; readonly key: ConversationKey }
  | SearchRoute
  | { readonly kind: 'traffic'; readonly filter: TrafficFilter }
  | { readonly kind: 'recordings' }
  | { readonly kind: 'plugins' }
  | { readonly kind: 'tokens' };

/** A search. `q` may be empty: the page then waits for words. */
export interface SearchRoute {
  readonly kind: 'search';
  readonly q: string;
  /** Restricts the search to this session. */
  readonly session?: string;
  readonly source?: string;
}

export const isSameRoute = (a: Route | undefined, b: Route | undefined): boolean => addressOf(a) === addressOf(b);

/** Returns the route of the list's row: a session without its offset. */
export const rowRoute = (route: Route | undefined): Route | undefined =>
  route?.kind === 'session' ? { kind: 'session', id: route.id } : route;

/** Returns the fragment of a route, with `#`; empty for none. */
export function addressOf(route: Route | undefined): string {
  if (route === undefined) return '';
  switch (route.kind) {
    case 'session':
      return `#/${route.id}${route.at === undefined ? '' : `?at=${route.at}`}`;
    case 'conversation':
      return `#/c/${encodeURIComponent(route.key)}`;
    case 'search':
      return withQuery('#/search', { q: route.q, session: route.session, source: route.source });
    case 'traffic':
      return withQuery('#/traffic', filterParams(route.filter));
    case 'recordings':
      return '#/recordings';
    case 'plugins':
      return '#/plugins';
    case 'tokens':
      return '#/tokens';
  }
}

/** Parses a fragment; undefined if it names nothing that could be shown. */
export function parseRoute(hash: string): Route | undefined {
  if (!hash.startsWith('#/')) return undefined;
  const [path = '', query = ''] = halves(hash.slice(2), '?');
  const params = new URLSearchParams(query);
  if (isSessionId(path)) {
    const at = params.get('at') ?? '';
    return /^\d{1,15}$/.test(at) ? { kind: 'session', id: path, at: Number(at) } : { kind: 'session', id: path };
  }
  if (path === 'search') {
    const [session, source] = [params.get('session'), params.get('source')];
    return {
      kind: 'search',
      q: params.get('q') ?? '',
      ...(session === null ? {} : { session }),
      ...(source === null ? {} : { source }),
    };
  }
  if (path === 'traffic') return { kind: 'traffic', filter: parseTrafficFilter(params) };
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
export function unknownKindOf(hash: string): 'session' | 'conversation' | undefined {
  if (!hash.startsWith('#/') || hash === '#/' || parseRoute(hash) !== undefined) return undefined;
  return hash.startsWith('#/c/') ? 'conversation' : 'session';
}

function halves(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') params.set(name, value);
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}
