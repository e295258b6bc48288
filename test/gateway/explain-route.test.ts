import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { explainRoute } from '../../packages/cli/src/commands/route.ts';
import type { Options } from '../../packages/cli/src/declarations/commands.ts';
import { type Gateway, openGateway, postJson } from '../../packages/server/src/api/http/gateway.fixture.ts';
import { routeRoutes } from '../../packages/server/src/api/rest/routing.ts';
import { Config } from '../../packages/server/src/config/config.ts';

const FILE = `{
  "agents": { "entries": { "main": { "driver": "echo", "default": true }, "ops": { "driver": "echo" } } },
  "bindings": [
    { "agentId": "ops", "match": { "channel": "discord", "accountId": "*", "guildId": "9", "roles": ["admin"] } },
    { "agentId": "ops", "match": { "channel": "discord", "peer": { "kind": "cave", "id": "1" } } },
  ],
}`;

let dir = '';
let gateway: Gateway;
let config: Config;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-route-'));
  writeFileSync(join(dir, 'config.jsonc'), FILE);
  const log = { warn: () => undefined, info: () => undefined };
  config = Config.open({ path: join(dir, 'config.jsonc'), log });
  gateway = await openGateway({ routes: routeRoutes(config) });
});
afterEach(async () => {
  delete process.env.BINNACLE_URL;
  delete process.env.BINNACLE_TOKEN;
  vi.restoreAllMocks();
  config.close();
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const explain = async (question: unknown, token = gateway.adminToken) => {
  const reply = await gateway.ask('/v1/routes/explain', postJson(question, token));
  return { status: reply.status, code: reply.code, body: JSON.parse(reply.text) };
};

describe('POST /v1/routes/explain', () => {
  it('says where a message would go, and why', async () => {
    const { status, body } = await explain({ channel: 'Discord', accountId: 'a', guildId: 9, roles: ['admin'] });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      binding: 0,
      route: { agentId: 'ops', matchedBy: 'binding.guild+roles' },
      error: null,
    });
    expect(body.tiers).toHaveLength(9);
  });

  it('goes by the file that is in force', async () => {
    writeFileSync(config.path, FILE.replace('"admin"', '"other"'));
    config.reload();
    const { body } = await explain({ channel: 'discord', guildId: '9', roles: ['admin'] });
    expect(body.route).toMatchObject({ agentId: 'main', matchedBy: 'default' });
  });

  it('is for the scope admin', async () => {
    const { token } = await gateway.token('create');
    expect(await explain({ channel: 'x' }, token)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await gateway.ask('/v1/config/problems', { headers: { Authorization: `Bearer ${token}` } })).status).toBe(
      403,
    );
  });

  it.each([
    {},
    { channel: 5 },
    { channel: 'x', peer: { kind: 'direct' } },
    { channel: 'x', peer: { kind: 'direct', id: 'a'.repeat(513) } },
    { channel: 'x', roles: Array.from({ length: 1001 }, () => 'r') },
    { channel: 'x', roles: 'r' },
  ])('refuses what is no question', async (question) => {
    expect(await explain(question)).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('GET /v1/config/problems', () => {
  it('lists what is wrong with the file, with lines', async () => {
    const reply = await gateway.ask('/v1/config/problems', { headers: gateway.bearer });
    const { problems, path } = JSON.parse(reply.text);
    expect(path).toBe(config.path);
    expect(problems).toEqual([expect.objectContaining({ path: 'bindings[1].match.peer.kind', line: 5 })]);
  });
});

describe('binnacle route explain', () => {
  const run = async (options: Partial<Options<'route explain'>>) => {
    let out = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text);
      return true;
    });
    const code = await explainRoute({ channel: 'discord', role: [], ...options });
    vi.restoreAllMocks();
    return { code, out };
  };
  const asked = { guild: '9', role: ['admin'], peer: 'group:a:b', account: 'X' };

  it('answers the same by a file and by a gateway', async () => {
    const offline = await run({ ...asked, config: config.path });
    process.env.BINNACLE_URL = gateway.url;
    process.env.BINNACLE_TOKEN = gateway.adminToken;
    const online = await run(asked);
    expect(online).toEqual(offline);
    expect(online.code).toBe(0);
    expect(online.out).toContain('Binding 0 wins in the tier binding.guild+roles: it goes to the agent ops.');
    expect(online.out).toContain('agent:ops:discord:group:a:b');
    expect(online.out).toContain('5:76 Binding 1: A peer is of the kind');
  });

  it('prints JSON, and ends with 1 where a message cannot be routed', async () => {
    writeFileSync(join(dir, 'none.jsonc'), '{"agents":{"entries":{"a":{"driver":"echo"},"b":{"driver":"echo"}}}}');
    const { code, out } = await run({ config: join(dir, 'none.jsonc'), json: true });
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ route: null, error: { code: 'AGENT_SELECTION_REQUIRED' } });
  });

  it('refuses what is no peer, and a file that is not there or is wrong', async () => {
    await expect(run({ peer: 'ada', config: config.path })).rejects.toMatchObject({ exitCode: 2 });
    await expect(run({ config: join(dir, 'missing') })).rejects.toMatchObject({ code: 'bad_config' });
    writeFileSync(config.path, '{');
    await expect(run({ config: config.path })).rejects.toMatchObject({ code: 'bad_config' });
  });
});
