// What a push says, read with suspicion: it came through somebody else's server. Pure.

export interface PushMessage {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  /** A fragment of the page, or empty. */
  readonly path: string;
}

/** A push that says nothing still has to show something: browsers demand it. */
const NOTHING: PushMessage = { title: 'Binnacle', body: 'Something waits for you.', tag: 'binnacle', path: '' };

export function pushIn(text: string): PushMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return NOTHING; // not ours, or of another version
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

/** A fragment that names a session or a conversation; anything else is the page itself. */
export const pathIn = (value: unknown): string =>
  typeof value === 'string' && /^#\/[\w%.~!*'():-]*(?:\/[\w%.~!*'():-]+)?$/.test(value) && value.length <= 2000
    ? value
    : '';
