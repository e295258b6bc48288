import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LostGateway, openLostGateway } from '../browser/lost.fixture.ts';
import { openBrowser } from '../browser/page.fixture.ts';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { type Bundle, bundlePage, ends, inState, openApp, shareApp } from './react.fixture.ts';

let gateway: LostGateway;
let browser: Browser;
let bundle: Bundle;
beforeAll(async () => {
  [gateway, browser, bundle] = await Promise.all([openLostGateway(), openBrowser(), bundlePage()]);
});
afterAll(async () => {
  await gateway?.close();
});

/** A program on pipes that prints its first part at once and goes on with each line that it gets. */
const start = (command: string, mode: 'pipe' | 'pty' = 'pipe') => gateway.client.sessions.create({ command, mode });
const numbers = (last: number): string => Array.from({ length: last }, (_, at) => `n ${at + 1}\n`).join('');
const count = (from: number, to: number): string => `for i in $(seq ${from} ${to}); do echo "n $i"; done`;

/** What had been printed is in the log. */
async function printed(id: string, bytes: number): Promise<void> {
  await until('it is printed', async () => (await gateway.client.sessions.get(id)).outputOffset >= bytes);
}

const subscriptions = (sent: readonly string[]): number => sent.filter((frame) => frame.includes('"subscribe"')).length;

it('a component that is mounted in the middle of a session has all of its output once, and what comes then', async () => {
  const { id } = await start(`${count(1, 500)}; read go; ${count(501, 1000)}; read go`);
  await printed(id, numbers(500).length);
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'session', id });
  await ends(app.page, 'n 500\n');
  expect(await app.page.evaluate(() => look.said.isCaughtUp)).toBe(true);
  expect(await app.page.evaluate(() => look.said.write('go\n'))).toMatchObject({ ok: true });
  await ends(app.page, 'n 1000\n');
  expect(await app.page.evaluate(() => look.text())).toBe(numbers(1000));
  expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live']);
  expect(app.complaints).toEqual([]);
});

inAll('goes on after a kill -9 of the gateway, with nothing missing and nothing twice', async () => {
  const { id } = await start(`for i in $(seq 1 400); do echo "n $i"; sleep 0.005; done; read go`);
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'session', id });
  await app.page.waitForFunction(() => look.text().includes('n 50\n'));
  await gateway.lose();
  await inState(app.page, 'reconnecting');
  await gateway.restart();
  await inState(app.page, 'live');
  await ends(app.page, 'n 400\n');
  expect(await app.page.evaluate(() => look.text())).toBe(numbers(400));
  expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live', 'reconnecting', 'live']);
});

it('another id is another session: the one before is unsubscribed, and nothing of it is seen any more', async () => {
  const one = await start('echo first; read go; echo late; read go');
  const two = await start('echo second; read go');
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'session', id: one.id });
  await ends(app.page, 'first\n');
  await app.show({ view: 'session', id: two.id });
  await ends(app.page, 'second\n');
  await gateway.client.session(one.id).write('go\n');
  await printed(one.id, 'first\nlate\n'.length);
  // What is sent now comes behind what was sent before.
  await gateway.client.session(two.id).write('go\n');
  await inState(app.page, 'ended');
  expect(await app.page.evaluate(() => look.text())).toBe('second\n');
  const sent = app.sockets.flatMap((socket) => socket.sent);
  expect(sent.filter((frame) => frame.includes('"unsubscribe"') && frame.includes(one.id))).toHaveLength(1);
  expect(app.sockets).toHaveLength(1);
  expect(app.complaints).toEqual([]);
});

it('the stale closure of the seed: behind the end nothing is connected again, whatever happens then', async () => {
  const { id } = await start('echo all; read go; exit 3');
  const app = await openApp(browser, gateway, bundle);
  await app.page.clock.install();
  await app.show({ view: 'session', id });
  await ends(app.page, 'all\n');
  await app.page.evaluate(() => look.said.write('go\n'));
  await inState(app.page, 'ended');
  expect(await app.page.evaluate(() => look.said.info.exitCode)).toBe(3);
  await gateway.lose();
  await until('the socket is closed', () => app.sockets.every(({ isOpen }) => !isOpen));
  await gateway.restart();
  // All that makes a client look for its gateway, and far more time than it would wait.
  await app.page.evaluate(() => {
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    look.said.retry();
  });
  await app.page.clock.runFor(120_000);
  expect(app.sockets).toHaveLength(1);
  expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live', 'ended']);
  expect(await app.page.evaluate(() => look.text())).toBe('all\n');
  expect(app.complaints).toEqual([]);
});

inAll(
  'the same of traffic: behind the end of the one session that the filter names, no socket is opened again',
  async () => {
    const { id } = await start('echo all; read go; exit 3');
    const app = await openApp(browser, gateway, bundle);
    await app.page.clock.install();
    await app.show({ view: 'traffic', props: { filter: { session_id: id } } });
    await inState(app.page, 'live');
    await gateway.client.session(id).write('go\n');
    await inState(app.page, 'ended');
    const events = await app.page.evaluate(() => look.said.events as { response?: string; exit_code?: number }[]);
    expect(events.map(({ response }) => response ?? '').join('')).toBe('all\n');
    expect(events.at(-1)?.exit_code).toBe(3);
    const opened = app.sockets.length;
    await until('the socket is closed', () =>
      app.sockets.every(({ path, isOpen }) => path !== '/ws/pty-traffic' || !isOpen),
    );
    await gateway.lose();
    await gateway.restart();
    await app.page.evaluate(() => window.dispatchEvent(new Event('online')));
    await app.page.clock.runFor(120_000);
    expect(app.sockets).toHaveLength(opened);
    expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live', 'ended']);
  },
);

inAll('a kill -9 of the gateway in the middle of traffic: said, gone on from there, and each piece once', async () => {
  const { id } = await start(`for i in $(seq 1 400); do echo "n $i"; sleep 0.005; done; read go`);
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'traffic', props: { filter: { session_id: id } } });
  const has = (wanted: string) =>
    app.page.waitForFunction(
      (text) => (look.said?.events ?? []).some(({ response = '' }: { response?: string }) => response.includes(text)),
      wanted,
    );
  await has('n 50\n');
  await gateway.lose();
  await inState(app.page, 'reconnecting');
  await gateway.restart();
  await has('n 400\n');
  const text = await app.page.evaluate(() =>
    look.said.events.map(({ response = '' }: { response?: string }) => response).join(''),
  );
  expect(text).toBe(numbers(400));
  expect(await app.page.evaluate(() => look.states)).toEqual(['connecting', 'live', 'reconnecting', 'live']);
});

it('in strict mode one socket is opened and one subscription made, though all is mounted twice', async () => {
  const { id } = await start('echo once; read go');
  const app = await openApp(browser, gateway, bundle);
  // The socket is there already: what a first mount asks for would go out.
  await app.show({ view: 'sessions', strict: true });
  await inState(app.page, 'live');
  await app.show({ view: 'session', id, strict: true });
  await app.page.waitForFunction(() => look.said.chunks !== undefined);
  await ends(app.page, 'once\n');
  expect(await app.page.evaluate(() => look.mounts)).toBe(2);
  // Others take its place, and go on with what it had.
  await app.show({ view: 'both', id, strict: true });
  await app.page.locator('.xterm-rows', { hasText: 'once' }).waitFor();
  await app.page.locator('[data-line]', { hasText: 'once' }).waitFor();
  expect(await app.page.locator('[data-line]').count()).toBe(1);
  expect(app.sockets).toHaveLength(1);
  expect(subscriptions(app.sockets.flatMap(({ sent }) => sent))).toBe(1);
  expect(app.complaints).toEqual([]);
});

it('is let go of when the last component is gone, and says nothing after that', async () => {
  const { id } = await start('echo here; read go; echo late; read go');
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'session', id });
  await ends(app.page, 'here\n');
  await app.show({ view: 'none' });
  await until('it is unsubscribed', () =>
    app.sockets.some(({ sent }) => sent.some((frame) => frame.includes('"unsubscribe"'))),
  );
  const commits = await app.page.evaluate(() => look.commits);
  await gateway.client.session(id).write('go\n');
  await printed(id, 'here\nlate\n'.length);
  expect(await app.page.evaluate(() => look.text())).toBe('here\n');
  expect(await app.page.evaluate(() => look.commits)).toBe(commits);
  const refused = await app.page.evaluate(async () => (await look.said.write('x')).error.code);
  expect(refused).toBe('client_closed');
  expect(app.complaints).toEqual([]);
});

inAll(
  'a flood of 50 MB stays within the bound, and is drawn once a frame at most',
  async () => {
    const bytes = 50_000_000;
    const { id } = await start(
      `read go; head -c ${bytes} /dev/zero | tr '\\0' x | fold -w 99; echo; echo the-end; read go`,
    );
    const app = await openApp(browser, gateway, bundle);
    const maxBytes = 2 * 1024 * 1024;
    await app.show({ view: 'session', id, props: { maxBytes } });
    await inState(app.page, 'live');
    await app.page.evaluate(() => {
      const seen = { frames: 0, most: 0, before: look.commits };
      const frame = (): void => {
        seen.frames += 1;
        seen.most = Math.max(seen.most, look.said.chunks.bytes);
        requestAnimationFrame(frame);
      };
      frame();
      Object.assign(window, { seen });
    });
    await gateway.client.session(id).write('go\n');
    await app.page.waitForFunction(() => look.said.chunks.bytes > 0 && look.text().endsWith('the-end\n'), null, {
      timeout: 60_000,
      polling: 250,
    });
    const seen = await app.page.evaluate(() => {
      const { frames, most, before } = (window as unknown as { seen: Record<string, number> }).seen;
      return { frames, most, commits: look.commits - (before ?? 0), dropped: look.said.chunks.droppedBytes as number };
    });
    expect(seen.most).toBeLessThanOrEqual(maxBytes);
    expect(seen.dropped).toBeGreaterThan(bytes - maxBytes);
    // One more for the frame that was under way.
    expect(seen.commits).toBeLessThanOrEqual((seen.frames ?? 0) + 1);
    expect(app.complaints).toEqual([]);
  },
  90_000,
);

it('what cannot be read is a value with a code and a hint', async () => {
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'session', id: '018f0000-0000-7000-8000-000000000000' });
  await inState(app.page, 'failed');
  const { code, hint } = await app.page.evaluate(() => ({ code: look.said.error.code, hint: look.said.error.hint }));
  expect(code).toBe('session_not_found');
  expect(hint).toContain('List sessions');
  expect(await app.page.evaluate(() => look.said.signal('SIGINT'))).toMatchObject({ ok: false });
  await app.show({ view: 'traffic', props: { filter: { session_id: 'job' }, options: { from: 'nowhere' } } });
  await app.page.waitForFunction(() => look.said.error?.code === 'bad_position');
  expect(await app.page.evaluate(() => look.said.state)).toBe('failed');
  expect(app.complaints).toEqual([]);
});

it('is read on after a failure when asked to, from where it was', async () => {
  const { id } = await start('echo all; read go');
  const app = await openApp(browser, gateway, bundle);
  // Somebody else in the page follows it already, with the same client.
  await app.page.evaluate((session) => Object.assign(window, { other: look.client.session(session).attach() }), id);
  await app.show({ view: 'session', id });
  await inState(app.page, 'failed');
  expect(await app.page.evaluate(() => look.said.error.code)).toBe('too_many_subscriptions');
  await app.page.evaluate(() => {
    (window as unknown as { other: { detach(): void } }).other.detach();
    look.said.retry();
  });
  await ends(app.page, 'all\n');
  // A component is told once a frame: it may be live within the one in which it began to connect.
  const states = await app.page.evaluate(() => look.states);
  expect(states.slice(0, 2)).toEqual(['connecting', 'failed']);
  expect(states.slice(2).filter((state) => state !== 'connecting')).toEqual(['live']);
});

it('the lease is one for all components: acquired in one, it is ours in the other, and its loss is reported in both', async () => {
  const { id } = await start('exec bash --norc', 'pty');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'both', id });
  await inState(app.page, 'live');
  expect(await app.page.evaluate(() => look.said.control.acquire({ holder: 'Ada' }))).toMatchObject({ ok: true });
  await app.page.locator('.binnacle-terminal[data-lease="yours"]').waitFor();
  expect(await app.page.evaluate(() => look.said.control.lease.holder)).toBe('Ada');
  expect(await app.page.evaluate(() => look.said.resize(91, 21))).toMatchObject({ ok: true });
  expect(await app.page.evaluate(() => look.said.write('exit 4\n'))).toMatchObject({ ok: true });
  await inState(app.page, 'ended');
  expect(await app.page.evaluate(() => look.said.info.exitCode)).toBe(4);
  const two = await start('read go');
  await app.show({ view: 'session', id: two.id });
  await inState(app.page, 'live');
  await app.page.evaluate(() => look.said.control.acquire());
  await gateway.client.session(two.id).lease.take({ holder: 'Grace' });
  await app.page.waitForFunction(() => look.said.control.lostTo === 'Grace' && !look.said.control.isYours);
  const refused = await app.page.evaluate(async () => (await look.said.write('x')).error.code);
  expect(refused).toBe('lease_held');
  // And when it is handed over.
  const grace = gateway.client.session(two.id);
  grace.attach('now');
  const page = new Promise<string>((resolve) => {
    grace.watchers.on('change', ({ watchers, you }) => {
      const other = watchers.find((watcher) => watcher.id !== you);
      if (other !== undefined) resolve(other.id);
    });
  });
  await grace.lease.take({ holder: 'Grace' });
  await grace.lease.transferTo(await page);
  await app.page.waitForFunction(() => look.said.control.isYours && look.said.control.lostTo === undefined);
});
