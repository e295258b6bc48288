import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LostGateway, openLostGateway } from '../browser/lost.fixture.ts';
import { openBrowser } from '../browser/page.fixture.ts';
import { makeConversation } from '../conversations/conversation.fixture.ts';
import { inAll } from '../support/count.ts';
import { type Bundle, bundlePage, inState, openApp, shareApp } from './react.fixture.ts';

let gateway: LostGateway;
let browser: Browser;
let bundle: Bundle;
beforeAll(async () => {
  [gateway, browser, bundle] = await Promise.all([openLostGateway(), openBrowser(), bundlePage()]);
});
afterAll(async () => {
  await gateway?.close();
});

it('the list has what the filter lets through, newest first, and changes with what happens', async () => {
  const create = (name: string) => gateway.client.sessions.create({ command: 'read go', mode: 'pipe', name });
  const names = (wanted: string) => app.page.waitForFunction((text) => document.body.innerText === text, wanted);
  const one = await create('build one');
  await create('other');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'sessions', props: { running: true, text: 'BUILD' }, strict: true });
  await names('build one');
  await create('build two');
  await names('build two,build one');
  await gateway.client.session(one.id).write('go\n');
  await names('build two');
  await app.show({ view: 'sessions', props: { running: false }, strict: true });
  await names('build one');
  await gateway.lose();
  await inState(app.page, 'reconnecting');
  await names('build one');
  await gateway.restart();
  await inState(app.page, 'live');
  // The browser tells of each try in vain; nothing else is wrong.
  expect(app.complaints.filter((words) => !words.includes('ERR_CONNECTION_REFUSED'))).toEqual([]);
});

it('a conversation has its turns, the live text and its end; what is sent acts once', async () => {
  const { key } = await makeConversation(gateway);
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'conversation', id: key, strict: true });
  await inState(app.page, 'live');
  expect(await app.page.evaluate(() => look.said.send('hello there', { id: 'm1' }))).toMatchObject({ ok: true });
  await app.page.waitForFunction(() => look.said.turns.at(-1)?.state === 'final');
  const turns = await app.page.evaluate(() => look.said.turns.map(({ kind }: { kind: string }) => kind));
  expect(turns).toEqual(['message', 'answer']);
  expect(await app.page.evaluate(() => JSON.stringify(look.said.turns.at(-1).parts))).toContain('hello there');
  await app.page.evaluate(() => look.said.send('hello there', { id: 'm1' }));
  // Somebody else, in another client: it is here as well.
  const reply = gateway.client.conversation(key).send('and again');
  await reply.ended;
  await app.page.waitForFunction(() => look.said.turns.length === 4 && look.said.run === null);
  // Mounted later, it is the same.
  const before = await app.page.evaluate(() => look.said.turns.map(({ kind }: { kind: string }) => kind));
  await app.show({ view: 'none' });
  await app.show({ view: 'conversation', id: key });
  await inState(app.page, 'live');
  expect(await app.page.evaluate(() => look.said.turns.map(({ kind }: { kind: string }) => kind))).toEqual(before);
  const refused = await app.page.evaluate(async () => (await look.said.answer('nothing', 'yes')).error.code);
  expect(refused).toBe('approval_not_found');
  await gateway.client.conversation(key).delete();
  await inState(app.page, 'ended');
});

inAll(
  'a conversation goes on after a kill -9 of the gateway, and a message that is sent meanwhile arrives once',
  async () => {
    const { key } = await makeConversation(gateway);
    const app = await openApp(browser, gateway, bundle);
    await app.show({ view: 'conversation', id: key });
    await inState(app.page, 'live');
    await gateway.lose();
    await inState(app.page, 'reconnecting');
    const sending = app.page.evaluate(() => look.said.send('through the night'));
    await gateway.restart();
    expect(await sending).toMatchObject({ ok: true });
    await app.page.waitForFunction(() => look.said.turns.at(-1)?.state === 'final');
    expect(await app.page.evaluate(() => look.said.turns.length)).toBe(2);
    expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  },
);

it('a long conversation begins with its last page, and older ones come when asked for, each turn once', async () => {
  const { key } = await makeConversation(gateway);
  const talk = gateway.client.conversation(key);
  for (let at = 1; at <= 40; at += 1) await talk.send(`message ${at}`).ended;
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'conversation', id: key });
  await inState(app.page, 'live');
  const said = () =>
    app.page.evaluate(() =>
      look.said.turns.flatMap((turn: { kind: string; message?: { text: string } }) =>
        turn.kind === 'message' ? [turn.message?.text] : [],
      ),
    );
  const all = Array.from({ length: 40 }, (_, at) => `message ${at + 1}`);
  const first = await said();
  expect(first.length).toBeLessThan(40);
  expect(first).toEqual(all.slice(-first.length));
  expect(await app.page.evaluate(() => look.said.hasOlder)).toBe(true);
  expect(await app.page.evaluate(() => look.said.older())).toMatchObject({ ok: true });
  await app.page.waitForFunction(() => look.said.turns.length === 80 && !look.said.hasOlder);
  expect(await said()).toEqual(all);
}, 60_000);
