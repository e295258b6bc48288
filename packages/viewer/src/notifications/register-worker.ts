// The page's side of the service worker: registers it, and opens the target of a clicked notification.

/** Returns the address of the worker. It lies beside the page: that is its scope. */
const address = (): URL => new URL('sw.js', location.origin + location.pathname);

export const hasWorkers = (): boolean => 'serviceWorker' in navigator;

/**
 * Delay of the registration. A new worker fetches and compiles all parts of the page; the first screen needs the processor
 * more.
 */
const REGISTER_MS = 2000;

/** Registers the worker, once per page, a little later. Without a worker the page works as well. */
export function registerWorker(): void {
  if (!hasWorkers()) return;
  navigator.serviceWorker.addEventListener('message', (event: MessageEvent) => {
    const data: unknown = event.data;
    if (typeof data !== 'object' || data === null || !('t' in data) || data.t !== 'open') return;
    if ('path' in data && typeof data.path === 'string' && data.path !== '') location.hash = data.path;
    // The reply tells the worker not to try another tab.
    event.ports[0]?.postMessage('here');
  });
  setTimeout(() => {
    // Fails under a policy of the browser, or in a profile without storage.
    navigator.serviceWorker.register(address(), { updateViaCache: 'none' }).catch(() => undefined);
  }, REGISTER_MS);
}

/** Returns the registration of the active worker; undefined if there is none. */
export async function workerOf(): Promise<ServiceWorkerRegistration | undefined> {
  if (!hasWorkers()) return undefined;
  return await navigator.serviceWorker.getRegistration(address());
}

/** Gives the worker this login for requests without an open page; `{}` after a logout. */
export async function sendLogin(headers: Readonly<Record<string, string>>): Promise<void> {
  (await workerOf())?.active?.postMessage({ t: 'login', headers });
}
