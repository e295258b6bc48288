import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Binnacle } from '../client.ts';

let server: Server;
let seen: string[];
let reply: { readonly status: number; readonly body: string } | 'silence';
let client: Binnacle;

beforeEach(async () => {
  seen = [];
  reply = { status: 200, body: '{}' };
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (reply !== 'silence') response.writeHead(reply.status).end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new Binnacle({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' });
});

afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('asks for traffic, its statistics and search, with every filter that is set and no other', async () => {
  await client.traffic.events();
  await client.traffic.events({ source: 'ci', label: 'k=v w', exit_code: 0, is_final: false, after: 'a/b', limit: 5 });
  await client.traffic.stats({ since: 1, until: 2, source: 'ci' });
  await client.search('a "b c" -d*', { session_id: 's@1', limit: 2 });
  expect(seen).toEqual([
    'GET /v1/pty-traffic',
    'GET /v1/pty-traffic?source=ci&label=k%3Dv+w&exit_code=0&after=a%2Fb&limit=5&is_final=false',
    'GET /v1/pty-traffic/stats?since=1&until=2&source=ci',
    'GET /v1/search?q=a+%22b+c%22+-d*&session_id=s%401&limit=2',
  ]);
});

it('refuses to search for what is no text, before it sends a request', async () => {
  await expect(client.search({ q: 'lost' } as unknown as string)).rejects.toThrow(TypeError);
  await expect(client.search(undefined as unknown as string)).rejects.toThrow(TypeError);
  expect(seen).toEqual([]);
});

it('passes on what the gateway refuses, by its code', async () => {
  reply = { status: 400, body: JSON.stringify({ error: { code: 'bad_query', message: 'm', hint: 'h' } }) };
  await expect(client.search('"')).rejects.toMatchObject({ code: 'bad_query', message: 'm' });
  await expect(client.traffic.events()).rejects.toMatchObject({ code: 'bad_query' });
});

it('a search that nobody waits for any more ends', async () => {
  reply = 'silence';
  const abort = new AbortController();
  const pending = client.search('x', { signal: abort.signal });
  abort.abort();
  await expect(pending).rejects.toMatchObject({ code: 'unreachable' });
});
