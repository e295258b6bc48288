// The files of the viewer, read at startup. Each file is a route of its own, so there is no path traversal.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { type HttpRoute, respond, route } from './routes.ts';

/**
 * Content security policy of the viewer: connections to its own origin only, no framing, no inline scripts or styles.
 * xterm.js writes <style> elements and style attributes at run time; the page turns them into constructed style sheets
 * (packages/viewer/src/app/csp-styles.ts).
 */
export const PAGE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "manifest-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** Path prefix of files with a hash in their names. */
const HASHED = '/assets/';
const SERVABLE = /^(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/;

/** Returns one public route per file of `dir`; `index.html` is `/`. Returns none if the directory does not exist. */
export function staticRoutes(dir: string): HttpRoute[] {
  return filesOf(dir).map((file) => {
    const path = `/${relative(dir, file).split(sep).join('/')}`;
    return fileRoute(path === '/index.html' ? '/' : path, file);
  });
}

function filesOf(dir: string): string[] {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(dir);
  } catch (error) {
    // Without the viewer the gateway still serves programs: the API works as usual.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => {
      const path = `/${relative(dir, file).split(sep).join('/')}`;
      return SERVABLE.test(path) && Object.hasOwn(TYPES, extname(file));
    });
}

const list = (dir: string) => readdirSync(dir, { withFileTypes: true, recursive: true });

function fileRoute(path: string, file: string): HttpRoute {
  const bytes = readFileSync(file);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  const headers = {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': PAGE_CSP,
    'Cache-Control': path.startsWith(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache',
    ETag: etag,
  };
  return route('get', path, 'public', {
    summary: 'A file of the viewer.',
    hidden: true,
    responses: {},
    handler: ({ request }) =>
      request.headers['if-none-match'] === etag ? respond(null, { status: 304, headers }) : respond(bytes, { headers }),
  });
}
