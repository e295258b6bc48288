// The address that links begin with: from the public URL, else from the request.

import { afterEach, describe, expect, it } from 'vitest';
import { type Gateway, openGateway, postJson, upgradeHeaders } from '../api/http/gateway.fixture.ts';
import { json, route } from '../api/http/routes.ts';
import { PublicUrl } from './public-url.ts';

const gateways: Gateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});

const WHERE = route('get', '/test/where', 'public', {
  summary: 'Says how the sender reaches us.',
  responses: {},
  handler: ({ base, linkBase }) => json({ base, linkBase }),
});

async function open(publicUrl?: string, hosts: object = {}): Promise<Gateway> {
  const gateway = await openGateway({ hosts: { ...hosts, publicUrl: new PublicUrl(publicUrl) }, routes: [WHERE] });
  gateways.push(gateway);
  return gateway;
}

describe('the public URL', () => {
  const URL = 'https://box.example.org:8443/binnacle/';
  const BARE = 'https://box.example.org:8443/binnacle';
  const where = async (gateway: Gateway, headers: Record<string, string>) =>
    JSON.parse((await gateway.ask('/test/where', { headers })).text) as unknown;

  it('is what links begin with, and the address of who came by it; who came directly has the direct one', async () => {
    const gateway = await open(URL);
    const direct = { base: gateway.url, linkBase: BARE };
    expect(await where(gateway, { Host: `127.0.0.1:${gateway.port}` })).toEqual(direct);
    for (const headers of [
      { Host: 'box.example.org:8443' },
      { Host: `127.0.0.1:${gateway.port}`, Origin: 'https://box.example.org:8443' },
      { Host: `127.0.0.1:${gateway.port}`, 'X-Forwarded-Host': 'box.example.org:8443' },
    ]) {
      expect(await where(gateway, headers)).toEqual({ base: BARE, linkBase: BARE });
    }
    // A claimed address that is not ours changes nothing.
    const lie = { Host: `127.0.0.1:${gateway.port}`, 'X-Forwarded-Host': 'evil.example.org' };
    expect(await where(gateway, lie)).toEqual(direct);
  });

  it('is served and allowed by itself, and nothing that is like it', async () => {
    const gateway = await open(URL);
    const status = async (headers: Record<string, string>) => (await gateway.ask('/test/where', { headers })).status;
    expect(await status({ Host: 'box.example.org:8443', Origin: 'https://box.example.org:8443' })).toBe(200);
    expect(await status({ Host: 'box.example.org:8444' })).toBe(421);
    expect(await status({ Host: 'box.example.org' })).toBe(421);
    const host = { Host: 'box.example.org:8443' };
    expect(await status({ ...host, Origin: 'https://box.example.org' })).toBe(403);
    expect(await status({ ...host, Origin: 'http://box.example.org:8443' })).toBe(403);
  });

  it('is in the login link that a program on the machine asks for', async () => {
    const gateway = await open(URL);
    const reply = await gateway.ask('/v1/tickets', postJson({}, gateway.adminToken));
    expect(JSON.parse(reply.text).url).toMatch(/^https:\/\/box\.example\.org:8443\/binnacle\/#ticket=bn_/);
  });

  it('is not needed: without one a request tells how it came', async () => {
    const gateway = await open(undefined, { names: ['box.example.org'], origins: ['https://box.example.org'] });
    const https = { base: 'https://box.example.org', linkBase: 'https://box.example.org' };
    expect(await where(gateway, { Host: 'box.example.org', Origin: 'https://box.example.org' })).toEqual(https);
    expect(await where(gateway, { Host: 'box.example.org', 'X-Forwarded-Proto': 'https' })).toEqual(https);
    expect(await where(gateway, { Host: `localhost:${gateway.port}` })).toMatchObject({
      base: `http://localhost:${gateway.port}`,
    });
  });

  it('may come from the config file, and the command line wins', () => {
    const url = new PublicUrl();
    url.configure('https://a.example.org/');
    expect(url.href).toBe('https://a.example.org');
    url.configure(undefined);
    expect(url.href).toBeUndefined();
    const publicUrl = new PublicUrl('https://b.example.org/x');
    publicUrl.configure('https://a.example.org/');
    expect(publicUrl.href).toBe('https://b.example.org/x');
  });

  it.each([
    'box.example.org',
    'ftp://x.org/',
    'https://u:p@x.org/',
    'https://x.org/?a',
    'https://x.org/a//b',
    'https://x.org/%41',
  ])('refuses %s', (text) => {
    expect(() => new PublicUrl(text)).toThrow(/is not a public URL/);
  });

  it('has its path taken off where a proxy passes it on, on requests and sockets, and leads to the slash at the end', async () => {
    const gateway = await open(URL);
    const Host = 'box.example.org:8443';
    for (const path of ['/test/where', '/binnacle/test/where', '/binnacle/test/where?']) {
      const reply = await gateway.ask(path, { headers: { Host } });
      expect.soft({ path, status: reply.status }).toEqual({ path, status: 200 });
    }
    for (const path of ['/binnacles/test/where', '/binnacle//test/where', '/BINNACLE/test/where', '/x/binnacle/test']) {
      expect.soft((await gateway.ask(path, { headers: { Host } })).status).toBe(404);
    }
    const bare = await gateway.ask('/binnacle?a=1', { headers: { Host } });
    expect([bare.status, bare.headers.location]).toEqual([308, '/binnacle/?a=1']);
    const upgrade = { ...upgradeHeaders, ...gateway.bearer, Host };
    for (const path of ['/v1/ws', '/binnacle/v1/ws']) {
      expect((await gateway.ask(path, { headers: upgrade })).status).toBe(101);
    }
    // Nothing is checked less: a foreign host or origin gets its own error first.
    expect((await gateway.ask('/binnacle', { headers: { Host: 'evil.example' } })).status).toBe(421);
    expect((await gateway.ask('/binnacle', { headers: { Host, Origin: 'https://evil.example' } })).status).toBe(403);
  });

  it('cannot begin as our own addresses do', async () => {
    await expect(open('https://box.example.org/v1/')).rejects.toMatchObject({ code: 'bad_request' });
    await expect(open('https://box.example.org/test')).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('says where the cookie of a login counts, and whether it needs TLS', async () => {
    const gateway = await open(URL);
    const cookie = async (headers: Record<string, string>) => {
      const { ticket } = JSON.parse((await gateway.ask('/v1/tickets', postJson({}, gateway.adminToken))).text);
      const ask = postJson({ ticket });
      const reply = await gateway.ask('/v1/login', { ...ask, headers: { ...ask.headers, ...headers } });
      return String(reply.headers['set-cookie']);
    };
    const below = await cookie({ Origin: 'https://box.example.org:8443' });
    expect(below).toMatch(/; Path=\/binnacle\/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure$/);
    const direct = await cookie({ Origin: gateway.url });
    expect(direct).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  });

  it('has nothing to do with the port of a name that was given without one', async () => {
    const gateway = await open(undefined, { names: ['box.example.org'] });
    const status = async (host: string) => (await gateway.ask('/test/where', { headers: { Host: host } })).status;
    expect(await status('box.example.org:8443')).toBe(200);
    expect(await status('box.example.org')).toBe(200);
    expect(await status('other.example.org:8443')).toBe(421);
  });
});
