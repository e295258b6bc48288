// Parsing of request targets.

/** The path of a request target, without the query. A proxy can send the absolute form, `http://host/path`. */
export function pathOf(target: string | undefined): string {
  const [path = '/'] = (target ?? '/').split('?', 1);
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/i, '') || '/';
}
