// Finds the routes of a path with hono's router. Paths are matched as they came: nothing is normalized, and only
// `:name`s are decoded.

import { TrieRouter } from 'hono/router/trie-router';

export interface RouteMatch<Entry> {
  readonly entry: Entry;
  /** The decoded `:name`s, as they came where that is impossible, and the undecoded `*name`. */
  readonly params: Readonly<Record<string, string>>;
  /** False if a `:name` could not be decoded. */
  readonly isDecoded: boolean;
}

/** Routes by their paths: fixed segments, `:name`, and `*name` as the last segment (see `RouteFields.path`). */
export class PathRouter<Entry> {
  readonly #router = new TrieRouter<{ readonly entry: Entry; readonly path: string }>();

  constructor(entries: readonly Entry[], pathOf: (entry: Entry) => string) {
    const keyed = entries.map((entry) => {
      const path = pathOf(entry);
      return { entry, path, key: specificityOf(path) };
    });
    keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    // One method for all: the methods of a path are needed for `405 method_not_allowed`.
    for (const one of keyed) this.#router.add('ALL', one.path.replace(/\/\*[A-Za-z0-9]+$/, '/*'), one);
  }

  /** Returns the matching routes, the most specific first. */
  match(path: string): RouteMatch<Entry>[] {
    const matches: RouteMatch<Entry>[] = [];
    // The router takes a path without its first slash as well, e.g. the target of CONNECT.
    if (!path.startsWith('/')) return matches;
    for (const [{ entry, path: pattern }] of this.#router.match('ALL', path)[0]) {
      const cut = cutParams(pattern, path);
      if (cut !== undefined) matches.push({ entry, ...cut });
    }
    return matches;
  }
}

/** Returns the order of a route: fixed segments before a `:name` in the same place, and `:name` before `*name`. */
const specificityOf = (path: string): string =>
  path.replace(/[^/]+/g, ([first]) => (first === '*' ? '\x7f' : first === ':' ? '~' : '!'));

/** Cuts the parameters out of a path that the router has matched. Returns undefined for a `*name` without its slash. */
function cutParams(pattern: string, path: string): Omit<RouteMatch<never>, 'entry'> | undefined {
  const params: Record<string, string> = {};
  let isDecoded = true;
  const segments = path.split('/');
  for (const [index, segment] of pattern.split('/').entries()) {
    const name = segment.slice(1);
    if (segment.startsWith('*')) {
      // The router's `/*` matches also a path that ends before the slash.
      if (index >= segments.length) return undefined;
      params[name] = segments.slice(index).join('/');
    } else if (segment.startsWith(':')) {
      const text = segments[index] ?? '';
      try {
        params[name] = decodeURIComponent(text);
      } catch {
        // Invalid percent-encoding or UTF-8. The handler answers that there is no such session, and the like.
        params[name] = text;
        isDecoded = false;
      }
    }
  }
  return { params, isDecoded };
}
