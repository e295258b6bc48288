// The addresses of resources: of what can be read of a session.

export type ResourceKind = 'output' | 'transcript';

/** `{id}` as the id makes the template. */
export const uriOf = (id: string, kind: ResourceKind): string => `binnacle://sessions/${id}/${kind}`;

const RESOURCE = /^binnacle:\/\/sessions\/([^/?#]{1,200})\/(?:output|transcript)$/;

/**
 * The session that a resource is of; undefined for what is none of ours.
 *
 * @example
 * sessionOf('binnacle://sessions/0198/output') // '0198'
 */
export function sessionOf(uri: string): string | undefined {
  const id = RESOURCE.exec(uri)?.[1];
  try {
    return id === undefined ? undefined : decodeURIComponent(id);
  } catch {
    return undefined; // not percent-encoded UTF-8: no address of ours
  }
}
