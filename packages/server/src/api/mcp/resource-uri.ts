// URIs of the resources of a session.

export type ResourceKind = 'output' | 'transcript';

/** Returns the URI of a resource; the id `{id}` returns the template. */
export const uriOf = (id: string, kind: ResourceKind): string => `binnacle://sessions/${id}/${kind}`;

const RESOURCE = /^binnacle:\/\/sessions\/([^/?#]{1,200})\/(?:output|transcript)$/;

/**
 * Returns the session of a resource; undefined for a foreign URI.
 *
 * @example sessionOf('binnacle://sessions/0198/output') // '0198'
 */
export function sessionOf(uri: string): string | undefined {
  const id = RESOURCE.exec(uri)?.[1];
  try {
    return id === undefined ? undefined : decodeURIComponent(id);
  } catch {
    return undefined; // invalid percent-encoding or UTF-8: not a URI of this gateway
  }
}
