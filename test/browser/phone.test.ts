// The page as an app on a phone: installed, offline, notified, and the way there from a computer.

import type { Browser, BrowserContext, Page, Worker } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FakeService } from '../../packages/server/src/notifications/push-service.fixture.ts';
import { writeConfig } from '../conversations/conversation.fixture.ts';
import { until } from '../support/until.ts';
import { type LostGateway, openLostGateway } from './lost.fixture.ts';
import { keyOf, loginLink, type OpenPage, openBrowser, openContext, tell } from './page.fixture.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

let gateway: LostGateway;
let browser: Browser;
let service: FakeService;
let receiver: ReturnType<FakeService['browser']>;
/** One page for all of them: none leaves anything behind that the next one is about. */
let opened: OpenPage;
let page: Page;
let worker: Worker;
beforeAll(async () => {
  service = await FakeService.open();
  receiver = service.browser('chromium');
  const notify = { pushOrigins: [service.origin] };
  gateway = await openLostGateway({ prepare: (dir) => writeConfig(dir, { notify }) });
  browser = await openBrowser({ isWhole: true });
  opened = await openContext(browser, {
    ...PHONE,
    serviceWorkers: 'allow',
    permissions: ['notifications', 'clipboard-read', 'clipboard-write'],
  });
  page = opened.page;
  // Chromium's own push service is on the internet.
  await page.addInitScript(
    (wrapped) => {
      let options: PushSubscriptionOptionsInit | undefined;
      const subscription = () => ({
        endpoint: wrapped.endpoint,
        options: {
          applicationServerKey: (options as { applicationServerKey: Uint8Array }).applicationServerKey.buffer,
        },
        toJSON: () => ({ ...wrapped, expirationTime: null }),
        unsubscribe: async () => {
          options = undefined;
          return true;
        },
      });
      Object.assign(PushManager.prototype, {
        subscribe: async (requested: PushSubscriptionOptionsInit) => {
          options = requested;
          return subscription();
        },
        getSubscription: async () => (options === undefined ? null : subscription()),
      });
    },
    { endpoint: receiver.endpoint, keys: receiver.keys },
  );
  await page.goto(await loginLink(gateway));
  await isOpen(page);
  worker = await openWorker(opened.context, page);
  // From here on all requests go through the worker.
  await page.reload();
  await isOpen(page);
});
afterAll(async () => {
  await gateway.close();
  await service.close();
});
afterEach(({ task }) => (task.result?.state === 'fail' ? tell(page, task.name) : undefined));

const isOpen = (on: Page): Promise<void> => on.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
/** The dialog, from wherever the page is. */
async function openDialog(): Promise<void> {
  await page.goto(`${gateway.url}/#/`);
  await page.locator(':is([data-testid="phone"], [data-testid="menu"]):visible').first().waitFor();
  if (!(await page.getByTestId('phone').isVisible())) await page.getByTestId('menu').click();
  await page.getByTestId('phone').click();
}

async function openWorker(context: BrowserContext, page: Page): Promise<Worker> {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const [worker] = context.serviceWorkers();
  if (worker === undefined) throw new Error('There is no worker.');
  return worker;
}

/**
 * Has the browser hand a push to the worker, as its push service would, and waits until the notification is shown. Chromium
 * forgets a notification if `getNotifications` asks while the notification is being shown (20 of 40 in a loop).
 */
async function deliver(page: Page, data: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [first] = registrations;
      if (first !== undefined) resolve(first.registrationId);
    });
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await registered;
  await worker.evaluate(() => {
    const { registration } = globalThis as unknown as { registration: ServiceWorkerRegistration };
    const show = registration.showNotification.bind(registration);
    const shown = new Promise<void>((resolve, reject) => {
      registration.showNotification = (...notification) => show(...notification).then(resolve, reject);
    });
    Object.assign(globalThis, { shown });
  });
  await session.send('ServiceWorker.deliverPushMessage', { origin: `${gateway.url}/`, registrationId, data });
  await worker.evaluate(() => (globalThis as unknown as { shown: Promise<void> }).shown);
  await session.detach();
}

interface Shown {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly data: unknown;
}

const notifications = (page: Page): Promise<Shown[]> =>
  page.evaluate(async () => {
    const shown = await (await navigator.serviceWorker.ready).getNotifications();
    return shown.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
  });

test('the page can be installed, works behind its policy, and keeps nothing but its own files', async () => {
  const session = await opened.context.newCDPSession(page);
  const manifest = await session.send('Page.getAppManifest');
  expect(manifest.errors).toEqual([]);
  expect(manifest.url).toBe(`${gateway.url}/manifest.webmanifest`);
  // That a private window cannot install anything is the only thing against it.
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  const cached = await page.evaluate(async () => {
    const caches_ = await Promise.all(
      (await caches.keys()).map(async (name) => await (await caches.open(name)).keys()),
    );
    return { caches: caches_.length, paths: caches_.flat().map(({ url }) => new URL(url).pathname) };
  });
  expect(cached.caches).toBe(1);
  expect(cached.paths).toContain('/offline.html');
  expect(cached.paths.filter((path) => path.startsWith('/assets/')).length).toBeGreaterThan(3);
  expect(cached.paths.filter((path) => path === '/' || path.endsWith('index.html') || path.startsWith('/v1'))).toEqual(
    [],
  );
  expect(opened.complaints).toEqual([]);
});

describe('a push', () => {
  test('is shown as it is, one for a session, and nonsense as something that leads nowhere', async () => {
    const id = '00000000-0000-7000-8000-000000000001';
    const push = { title: 'build', body: 'Waits for your input', tag: id, path: `#/${id}` };
    await deliver(page, JSON.stringify(push));
    await until('it is shown', async () => (await notifications(page)).length === 1);
    const { path, ...fields } = push;
    expect(await notifications(page)).toEqual([{ ...fields, data: { path } }]);
    await deliver(page, JSON.stringify({ ...push, body: 'Waits for your approval' }));
    await until('it is another', async () => (await notifications(page))[0]?.body === 'Waits for your approval');
    expect(await notifications(page)).toHaveLength(1);
    await deliver(page, JSON.stringify({ title: 'x', tag: 'y', path: 'https://evil.example/' }));
    await until('it is shown as well', async () => (await notifications(page)).length === 2);
    expect((await notifications(page)).find(({ tag }) => tag === 'y')?.data).toEqual({ path: '' });
  });

  test('that is touched opens what it is about in the page that is there', async () => {
    const { id } = await gateway.client.sessions.create({ argv: ['/bin/cat'], name: 'a cat' });
    await deliver(page, JSON.stringify({ title: 'a cat', body: 'Waits', tag: 'cat', path: `#/${id}` }));
    await until('it is shown', async () => (await notifications(page)).some(({ tag }) => tag === 'cat'));
    await worker.evaluate(async () => {
      // The types are those of a page; this runs in the worker.
      const global = globalThis as unknown as {
        registration: ServiceWorkerRegistration;
        NotificationEvent: new (name: string, init: object) => Event;
        dispatchEvent(event: Event): boolean;
      };
      const [notification] = await global.registration.getNotifications({ tag: 'cat' });
      global.dispatchEvent(new global.NotificationEvent('notificationclick', { notification }));
    });
    await page.locator(`[data-testid="session-view"][data-session="${id}"]`).waitFor();
    // The browser takes it away when it comes to it.
    await until('it is gone', async () => !(await notifications(page)).some(({ tag }) => tag === 'cat'));
  });
});

test('notifications are turned on, tested and turned off; what is muted is listed', async () => {
  const { id } = await gateway.client.sessions.create({ argv: ['/bin/cat'], name: 'loud' });
  await gateway.client.push.mute({ session: id });
  await openDialog();
  const part = (state: string) => page.locator(`[data-testid="notifications"][data-state="${state}"]`);
  await part('off').waitFor();
  await page.getByTestId('notify-on').click();
  await part('on').waitFor();
  expect((await gateway.client.push.state()).browsers).toBe(1);
  const when = page.getByTestId('notify-when');
  await when.getByLabel('when an agent waits').check();
  await until('the gateway knows', async () => !(await gateway.client.push.state()).done);
  await when.getByLabel('and when it is done').check();
  await until('it knows again', async () => (await gateway.client.push.state()).done);
  await page.getByTestId('notify-test').click();
  await page.getByTestId('notify-sent').waitFor();
  expect(receiver.read(service.at('/chromium')[0]?.body ?? Buffer.alloc(0)).title).toBe('Binnacle');
  await page.getByTestId('muted-list').getByText('loud').waitFor();
  await page.getByRole('button', { name: 'Unmute loud' }).click();
  await page.getByTestId('muted-list').waitFor({ state: 'detached' });
  expect((await gateway.client.push.mutes()).sessions).toEqual([]);
  await page.getByTestId('notify-off').click();
  await part('off').waitFor();
  expect((await gateway.client.push.state()).browsers).toBe(0);
  expect(opened.complaints).toEqual([]);
  await page.getByTestId('phone-close').click();
});

test('a code in the page logs a phone in, with less if wanted, once', async () => {
  await openDialog();
  await page.getByTestId('phone-local').waitFor();
  await page.getByTestId('phone-scope').selectOption('view');
  await page.getByTestId('phone-make').click();
  await page.getByTestId('qr').waitFor();
  expect(await page.getByTestId('phone-left').innerText()).toMatch(/once, for (?:10:00|9:\d\d) more/);
  await page.getByTestId('phone-code').getByTestId('copy').click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(new RegExp(`^${gateway.url}/#ticket=bn_`));
  const phone = await openContext(browser, PHONE);
  await phone.page.goto(copied);
  await isOpen(phone.page);
  const me = await phone.page.evaluate(
    (headers) => fetch('/v1/me', { headers }).then((answer) => answer.json()),
    await keyOf(phone.page),
  );
  expect(me).toMatchObject({ scope: 'view', user: 'admin' });
  // Another one that has the code, too.
  await phone.context.clearCookies();
  await phone.page.goto('about:blank');
  await phone.page.goto(copied);
  await phone.page.locator('[data-testid="failure"][data-code="unauthorized"]').waitFor();
  await page.getByTestId('phone-renew').click();
  await page.getByTestId('phone-close').click();
  expect(opened.complaints).toEqual([]);
  await phone.context.close();
});

test('a gateway that cannot be reached is told, and the page comes from it again as soon as it can', async () => {
  await gateway.lose();
  await page.goto(`${gateway.url}/#/somewhere`, { waitUntil: 'load' });
  await page.reload();
  await page.getByRole('heading', { name: 'Binnacle does not answer' }).waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  expect(wide).toBe(true);
  await gateway.restart();
  await page.getByRole('button', { name: 'Try again' }).click();
  await isOpen(page);
});
