// The service worker: shows notifications, opens their targets, and serves the offline page when the gateway is
// unreachable. It caches immutable files of the page (names with a hash) and the offline page. It caches no API
// response and no page: the page comes from the gateway each time, so an upgraded gateway never appears with an old
// page.

// Replaced by the build: the files, and a cache name that changes with any of them.
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

/** The used part of the worker's global; the DOM's types are not those of workers. */
interface Worker {
  readonly registration: {
    readonly scope: string;
    readonly pushManager: PushManager;
    showNotification(title: string, options: object): Promise<void>;
  };
  readonly clients: {
    matchAll(options: object): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(name: string, listener: (event: never) => void): void;
}
interface WindowClient {
  readonly url: string;
  readonly focused: boolean;
  focus(): Promise<unknown>;
  postMessage(message: unknown, transfer: readonly MessagePort[]): void;
}
interface Extendable extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as Worker;
const CACHE = `binnacle-${__VERSION__}`;
/** Maximum wait for a tab's answer. A busy page answers late; a page that does not show the app shell never does. */
const ANSWER_MS = 700;

const inScope = (path: string): string => new URL(path, worker.registration.scope).href;
const OFFLINE = 'offline.html';
const files = (): ReadonlySet<string> => new Set(__FILES__.map(inScope));

worker.addEventListener('install', (event: Extendable) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(__FILES__.map((file) => new Request(inScope(file), { cache: 'no-cache' })))),
  );
});

worker.addEventListener('activate', (event: Extendable) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith('binnacle-') && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name)))),
  );
});

worker.addEventListener('fetch', (event: Fetching) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  const url = new URL(request.url);
  url.hash = '';
  if (request.mode === 'navigate') {
    // The offline page replaces only the page itself.
    if (url.origin + url.pathname === inScope('.'))
      event.respondWith(fetch(request).catch(() => cached(inScope(OFFLINE))));
  } else if (url.search === '' && files().has(url.href)) {
    event.respondWith(cached(url.href).catch(() => fetch(request)));
  }
});

async function cached(url: string): Promise<Response> {
  const found = await caches.open(CACHE).then((cache) => cache.match(url));
  if (found === undefined) throw new TypeError(`${url} is not kept.`);
  return found;
}

worker.addEventListener('push', (event: Extendable & { readonly data: { text(): string } | null }) => {
  const { title, body, tag, path } = pushIn(event.data?.text() ?? '');
  event.waitUntil(
    worker.registration.showNotification(title, {
      ...{ body, tag, data: { path } },
      // The next wait of the same session replaces the last notification, and makes a sound again.
      renotify: true,
      icon: inScope('icon-192.png'),
      badge: inScope('badge.png'),
    }),
  );
});

worker.addEventListener(
  'notificationclick',
  (event: Extendable & { readonly notification: { readonly data: unknown; close(): void } }) => {
    event.notification.close();
    const { data } = event.notification;
    const path = pathIn(typeof data === 'object' && data !== null && 'path' in data ? data.path : undefined);
    event.waitUntil(open(path));
  },
);

/** Opens the path in a tab that shows the app shell, preferably the one with the focus; otherwise in a new tab. */
async function open(path: string): Promise<void> {
  const all = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const ours = all.filter(({ url }) => url.startsWith(worker.registration.scope));
  for (const client of [...ours].sort((a, b) => Number(b.focused) - Number(a.focused))) {
    if (!(await takes(client, path))) continue;
    await client.focus();
    return;
  }
  await worker.clients.openWindow(inScope(`.${path}`));
}

/**
 * Returns whether the tab goes to the path. A page of a share link, or a tab that is just being closed, does not
 * answer.
 */
function takes(client: WindowClient, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const timer = setTimeout(() => resolve(false), ANSWER_MS);
    port1.onmessage = () => {
      clearTimeout(timer);
      resolve(true);
    };
    client.postMessage({ t: 'open', path }, [port2]);
  });
}

/**
 * Cache for the login, named apart from the caches of files, which each new version removes. Browsers separate caches
 * by port, too.
 */
const LOGIN_STORE = 'login-of-binnacle';
/** Key of the login in that cache. No request goes to this address. */
const LOGIN_ADDRESS = inScope('kept-login');

// The page sends its login for requests while no page is open. Empty headers: a logout.
worker.addEventListener('message', (event: Extendable & { readonly data: unknown }) => {
  const { data } = event;
  if (typeof data !== 'object' || data === null || !('t' in data) || data.t !== 'login' || !('headers' in data)) return;
  const { headers } = data;
  event.waitUntil(caches.open(LOGIN_STORE).then((store) => store.put(LOGIN_ADDRESS, Response.json(headers))));
});

async function storedLogin(): Promise<Record<string, string>> {
  const found = await (await caches.open(LOGIN_STORE)).match(LOGIN_ADDRESS);
  return found === undefined ? {} : ((await found.json()) as Record<string, string>);
}

interface SubscriptionChange extends Extendable {
  readonly oldSubscription?: PushSubscription | null;
  readonly newSubscription?: PushSubscription | null;
}

// The browser replaced the push address by itself: the worker reports the new one to the gateway, with the login of
// this browser.
worker.addEventListener('pushsubscriptionchange', (event: SubscriptionChange) => {
  event.waitUntil(renew(event));
});

async function renew({ oldSubscription, newSubscription }: SubscriptionChange): Promise<void> {
  const options = oldSubscription?.options;
  const fresh =
    newSubscription ??
    (options === undefined
      ? null
      : await worker.registration.pushManager.subscribe({
          userVisibleOnly: true,
          applicationServerKey: options.applicationServerKey,
        }));
  if (fresh === null) return;
  await fetch(inScope('v1/push/subscription'), {
    method: 'PUT',
    headers: { ...(await storedLogin()), 'content-type': 'application/json' },
    body: JSON.stringify(fresh.toJSON()),
  });
}

interface PushMessage {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  /** A fragment of the page, or empty. */
  readonly path: string;
}

/** The notification for an unreadable push: browsers demand that every push shows one. */
const NOTHING: PushMessage = { title: 'Binnacle', body: 'Something waits for you.', tag: 'binnacle', path: '' };

/** Parses a push message as untrusted input: it came through a third party's server. */
function pushIn(text: string): PushMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return NOTHING; // foreign, or of another version
  }
  if (typeof value !== 'object' || value === null) return NOTHING;
  const field = (name: 'title' | 'body' | 'tag', max: number): string => {
    const found: unknown = (value as Readonly<Record<string, unknown>>)[name];
    return typeof found === 'string' && found !== '' ? found.slice(0, max) : NOTHING[name];
  };
  return {
    title: field('title', 200),
    body: field('body', 500),
    tag: field('tag', 100),
    path: pathIn((value as { readonly path?: unknown }).path),
  };
}

/** Returns a fragment that names a session or a conversation, otherwise an empty one: the page itself. */
const pathIn = (value: unknown): string =>
  typeof value === 'string' && /^#\/[\w%.~!*'():-]*(?:\/[\w%.~!*'():-]+)?$/.test(value) && value.length <= 2000
    ? value
    : '';
