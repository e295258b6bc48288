// Parses push messages as untrusted input: they came through a third party's server. Pure.

export interface PushMessage {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  /** A fragment of the page, or empty. */
  readonly path: string;
}

/** The notification for an unreadable push: browsers demand that every push shows one. */
const NOTHING: PushMessage = { title: 'Binnacle', body: 'Something waits for you.', tag: 'binnacle', path: '' };

export function pushIn(text: string): PushMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return NOTHING; // foreign, or of another version
  }
  if (typeof value !== 'object' || value === null) return NOTHING;
  const field = (name: 'title' | 'body' | 'tag', max: number): string => {
    const found: unknown = (value as Readonly<Record<string, unknown>>)[name];
    return typeof found === 'string' && found !== '' ? found.slice(0, max) : NOTHING[name];
  };
  return {
    title: field('title', 200),
    body: field('body', 500),
    tag: field('tag', 100),
    path: pathIn((value as { readonly path?: unknown }).path),
  };
}

/** Returns a fragment that names a session or a conversation, otherwise an empty one: the page itself. */
export const pathIn = (value: unknown): string =>
  typeof value === 'string' && /^#\/[\w%.~!*'():-]*(?:\/[\w%.~!*'():-]+)?$/.test(value) && value.length <= 2000
    ? value
    : '';
