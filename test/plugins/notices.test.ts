// What plugins tell people: from a real plugin process to whoever watches, and to nobody too often.

import type { NoticeEvent } from '@binnacle/client';
import type { PluginNotice } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { grant, installPlugin } from './installed.fixture.ts';

const TELLER = `export default (api) => {
  api.route('POST', '/tell', async ({ body }) => {
    const results = [];
    for (const notice of JSON.parse(Buffer.from(body))) {
      results.push(await api.notify(notice).then(() => 'told', ({ code, hint }) => code + ': ' + hint));
    }
    return { body: { results } };
  }, { public: true });
};`;
const permissions = { httpRoutes: true, notify: true } as const;

let gateway: AnyGateway;
beforeAll(async () => {
  gateway = await openAnyGateway({}, []);
  for (const id of ['teller', 'other']) await installPlugin(gateway, { id, source: TELLER, permissions });
});
afterAll(() => gateway?.close());

async function tell(notices: readonly object[], plugin = 'teller'): Promise<string[]> {
  const answer = await gateway.fetch(`/plugins/${plugin}/tell`, { method: 'POST', body: JSON.stringify(notices) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text).results;
}

/** What is heard, from the list on. */
function listen(): { readonly heard: NoticeEvent[]; stop(): void } {
  const heard: NoticeEvent[] = [];
  const watch = gateway.client.notices.watch();
  void (async () => {
    for await (const event of watch) heard.push(event);
  })();
  return { heard, stop: () => watch.stop() };
}

const titles = (notices: readonly PluginNotice[]): string[] => notices.map(({ title }) => title);

describe('what a plugin tells people', () => {
  inAll(
    'is kept, and comes at once to those who watch; also through a kill -9 of the gateway, which forgets the old',
    async () => {
      expect(await tell([{ title: 'first', text: 'a\nb' }, { title: 'second' }])).toEqual(['told', 'told']);
      const { heard, stop } = listen();
      await until('the list is here', () => heard.length === 1);
      const [list] = heard;
      const known = list?.type === 'list' ? list.notices : [];
      expect(known).toMatchObject([
        { plugin: 'teller', title: 'first', text: 'a\nb' },
        { plugin: 'teller', title: 'second', text: '' },
      ]);
      await tell([{ title: 'third' }]);
      await until('the third is here', () => heard.length === 2);
      expect(heard[1]).toMatchObject({ type: 'notice', notice: { title: 'third' } });
      const { next } = await gateway.client.notices.list();
      expect((await gateway.client.notices.list(known[0]?.n)).notices.map(({ title }) => title)).toEqual([
        'second',
        'third',
      ]);
      expect((await gateway.client.notices.list(next)).notices).toEqual([]);

      await killGateway(gateway);
      await gateway.restart();
      await until('it is connected again', () => heard.length === 3);
      expect(heard[2]).toEqual({ type: 'list', notices: [] });
      for (const id of ['teller', 'other']) {
        const isThere = async () => (await gateway.fetch(`/plugins/${id}/tell`, { method: 'POST', body: '[]' })).ok;
        await until(`${id} runs again`, isThere);
      }
      await tell([{ title: 'fourth' }]);
      await until('the fourth is here', () => heard.length === 4);
      // A reader that continues from a position misses nothing after a restart.
      expect(titles((await gateway.client.notices.list(next)).notices)).toEqual(['fourth']);
      stop();
    },
  );

  it('is for whoever may view, and for nobody else', async () => {
    const token = async (scope: 'view' | 'ingest') =>
      (await gateway.client.tokens.create({ name: scope, scope })).token;
    const as = async (one: string) =>
      (await gateway.fetch('/v1/notices', { headers: { authorization: `Bearer ${one}` } })).status;
    expect(await as(await token('view'))).toBe(200);
    expect(await as(await token('ingest'))).toBe(403);
    expect((await fetch(`${gateway.url}/v1/notices`)).status).toBe(401);
    expect((await gateway.fetch('/v1/notices?after=x')).status).toBe(400);
  });

  it('is one line and a plain text, or is refused', async () => {
    const wrong = [
      {},
      { title: '' },
      { title: 1 },
      { title: 'x'.repeat(201) },
      { title: 'x', text: 'x'.repeat(4001) },
      { title: 'x\u001b[2J' },
      { title: 'x', text: 'a\u202eb' },
      { title: 'x', more: 1 },
    ];
    for (const result of await tell(wrong, 'other')) expect.soft(result).toContain('bad_request');
    expect(await tell([{ title: ' two\n lines ', text: '<b>as it is</b>\n' }], 'other')).toEqual(['told']);
    expect((await gateway.client.notices.list()).notices.at(-1)).toMatchObject({
      plugin: 'other',
      title: 'two lines',
      text: '<b>as it is</b>',
    });
  });

  it('is refused without the permission, with the key that grants it', async () => {
    await grant(gateway, 'other', 'notify', false);
    expect(await tell([{ title: 'x' }], 'other')).toEqual([
      expect.stringMatching(/^permission_denied: .*plugins\.entries\.other\.permissions\.notify/),
    ]);
    await grant(gateway, 'other', 'notify', true);
    expect(await tell([{ title: 'x' }], 'other')).toEqual(['told']);
  });

  it('is no more than ten things at once and one a second, of each plugin', async () => {
    await installPlugin(gateway, { id: 'flood', source: TELLER, permissions });
    const results = await tell(
      Array.from({ length: 30 }, (_, i) => ({ title: `n ${i}` })),
      'flood',
    );
    const told = results.filter((result) => result === 'told').length;
    expect(told).toBeGreaterThanOrEqual(10);
    expect(told).toBeLessThanOrEqual(13);
    expect(results.filter((result) => result.startsWith('too_fast: ')).length).toBe(30 - told);
    expect(await tell([{ title: 'not held up by the other' }], 'other')).toEqual(['told']);
  });
});
