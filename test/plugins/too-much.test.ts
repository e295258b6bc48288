// Plugins that send more in one message than is read, or more messages from strangers than there is room for: what the
// gateway makes of it. All of it is real: processes, walls, sockets.

import { afterAll, describe, expect, test } from 'vitest';
import { AGENTS } from '../conversations/core.fixture.ts';
import { inAll } from '../support/count.ts';
import { measuresAlone } from '../support/measuring.ts';
import { until } from '../support/until.ts';
import { openPluginCore } from './conversation-plugins.fixture.ts';
import { grant } from './installed.fixture.ts';
import { codeOf, Plugins } from './plugin.fixture.ts';

measuresAlone();

const plugins = new Plugins();
afterAll(() => plugins.close());

const MANY = 'new Array(30000).fill([])';
const KEYS = 'Object.fromEntries(Array.from({ length: 6000 }, (_, i) => ["k" + i, 0]))';

describe('more in one message than is read', () => {
  test.each([
    ['values', MANY],
    ['keys', KEYS],
  ])('of %s: a call is refused and never judged, an answer is none, and the plugin runs on', async (_, much) => {
    const served: unknown[] = [];
    const { host, stops } = await plugins.host({
      source: `export default (api) => {
        const much = ${much};
        api.handle('ask', async () => {
          const codes = [];
          for (let i = 0; i < 8; i++) await api.call('net', { much }).catch(({ code }) => codes.push(code));
          return { refused: codes.filter((code) => code === 'message_too_large').length, small: await api.call('net', 1) };
        });
        api.handle('answer', () => much);
      };`,
      call: async (method, params) => {
        served.push(params);
        return method;
      },
    });
    await host.start();
    expect(await host.invoke('ask', null, 20_000)).toEqual({ refused: 8, small: 'net' });
    expect(served).toEqual([1]);
    for (let i = 0; i < 3; i++) expect(await codeOf(host.invoke('answer', null, 5000))).toBe('plugin_failed');
    expect([stops, host.facts.state]).toEqual([[], 'running']);
  });

  test('is as much as its operator says', async () => {
    const { host } = await plugins.host({
      source: 'export default (api) => { api.handle("list", (n) => new Array(n).fill(0)); };',
      limits: { maxValues: 200 },
    });
    await host.start();
    expect(await host.invoke('list', 150, 5000)).toHaveLength(150);
    expect(await codeOf(host.invoke('list', 200, 5000))).toBe('plugin_failed');
  });

  test('ends one whose own end does not say first what it sends', async () => {
    const { host, stops } = await plugins.host({
      source: `import { writeSync } from 'node:fs';
      export default (api) => { api.handle('attack', () => {
        const json = Buffer.from(JSON.stringify({ params: ${MANY}, t: 'call', id: 1, method: 'net' }));
        const head = Buffer.alloc(4);
        head.writeUInt32BE(json.length);
        writeSync(3, Buffer.concat([head, json]));
      }); };`,
      limits: { restarts: 0 },
    });
    await host.start();
    expect(await codeOf(host.invoke('attack', null, 5000))).toBe('plugin_stopped');
    await until('it has ended', () => stops.length > 0);
    expect(stops.map(({ reason }) => reason.code)).toEqual(['protocol']);
  });
});

describe('messages from strangers without end', () => {
  /** Brings in `n` of them at once, from peers whose names begin so. */
  const FLOOD = `
    const inlet = api.channel({ name: 'chan', send: () => {} });
    api.route('POST', '/flood/:from/:n', async ({ params }) => {
      const codes = {};
      const count = (code) => { codes[code] = (codes[code] ?? 0) + 1; };
      await Promise.all(Array.from({ length: Number(params.n) }, (_, i) =>
        inlet.receive({ text: 'hi', peer: { kind: 'direct', id: params.from + i } }).then(() => count('ok'), ({ code }) => count(code))));
      return { body: codes };
    });`;
  const config = { session: { dmScope: 'per-channel-peer' }, agents: { entries: AGENTS } };

  test('make a share of the conversations, which no restart forgets, and nobody else goes without', async () => {
    const core = await openPluginCore(config, { maxConversations: 50 });
    try {
      await core.install('flood', FLOOD, { channels: true });
      await core.install('other', FLOOD.replace("'chan'", "'chan2'"), { channels: true });
      const flood = async (plugin: string, from: string, n: number) =>
        (await core.page(plugin, `/flood/${from}/${n}`, { method: 'POST' })).json;
      expect(await flood('flood', 'p', 12)).toEqual({ ok: 5, too_many_conversations: 7 });
      // Those that are there go on.
      expect(await flood('flood', 'p', 5)).toEqual({ ok: 5 });
      expect(await flood('other', 'p', 2)).toEqual({ ok: 2 });
      await core.core.make(Object.keys(AGENTS)[0] ?? '');
      await core.core.restart();
      await core.runs('flood');
      expect(await flood('flood', 'q', 2)).toEqual({ too_many_conversations: 2 });
      const { conversations } = await core.core.must<{ conversations: { key: string }[] }>(
        200,
        '/v1/conversations?limit=200',
      );
      const one = conversations.find((each) => each.key.endsWith(':chan:direct:p0'))?.key ?? '';
      await core.core.must(204, `/v1/conversations/${encodeURIComponent(one)}`, { method: 'DELETE' });
      expect(await flood('flood', 'q', 2)).toEqual({ ok: 1, too_many_conversations: 1 });
    } finally {
      await core.close();
    }
  }, 60_000);

  inAll(
    'come no faster than they may; and without the grant none of it is read',
    async () => {
      const core = await openPluginCore(config);
      try {
        await core.install('flood', FLOOD, { channels: true });
        const { json } = await core.page('flood', '/flood/p/150', { method: 'POST' });
        // Twice as many as a second's at once, and those whose turn is within two seconds.
        expect(json.ok).toBeLessThan(110);
        expect(json.ok).toBeGreaterThanOrEqual(40);
        expect(json.plugin_busy).toBeGreaterThan(30);
        await grant(core.gateway, 'flood', 'channels', false);
        expect((await core.page('flood', '/flood/q/3', { method: 'POST' })).json).toEqual({ permission_denied: 3 });
      } finally {
        await core.close();
      }
    },
    60_000,
  );
});
