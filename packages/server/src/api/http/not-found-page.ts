// HTML page for a person who opens an unknown address. Programs get JSON. The page contains nothing of the request.

import type { IncomingMessage } from 'node:http';
import { pathOf } from '../../base/request-path.ts';
import { PAGE_CSP } from './static.ts';

/** Returns true if a browser opens the address as a page. Programs accept JSON or any type. */
export function isOpenedAsPage({ method, headers: { accept = '' } }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const takes = (mediaType: string): boolean =>
    accept.split(',').some((one) => {
      const [type, ...params] = one.split(';').map((part) => part.trim().toLowerCase());
      return type === mediaType && !params.some((param) => /^q=0(\.0*)?$/.test(param));
    });
  return takes('text/html') && !takes('application/json');
}

/** Builds the page with relative links: a reverse proxy may serve the gateway below a path. */
export function nothingHere({ url }: IncomingMessage): Response {
  const home = '../'.repeat(pathOf(url).split('/').length - 2) || './';
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
    <meta name="color-scheme" content="dark light">
    <title>Nothing is here · Binnacle</title>
    <link rel="stylesheet" href="${home}plain.css">
    <link rel="icon" href="${home}icon-192.png">
  </head>
  <body>
    <main>
      <img src="${home}icon-192.png" alt="" width="72" height="72">
      <h1>Nothing is at this address</h1>
      <p>Sessions and conversations are found from the first page.</p>
      <a href="${home}">Open Binnacle</a>
    </main>
  </body>
</html>
`;
  return new Response(html, {
    status: 404,
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_CSP, Vary: 'Accept' },
  });
}
