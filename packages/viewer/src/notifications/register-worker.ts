// The page's end of the service worker: starts it, and goes where a touched notification leads.

/** The worker lies beside the page: that is its scope. */
const address = (): URL => new URL('sw.js', location.origin + location.pathname);

export const hasWorkers = (): boolean => 'serviceWorker' in navigator;

/** Once a page. Where there can be none, the page works as ever. */
export function registerWorker(): void {
  if (!hasWorkers()) return;
  navigator.serviceWorker.addEventListener('message', (event: MessageEvent) => {
    const data: unknown = event.data;
    if (typeof data !== 'object' || data === null || !('t' in data) || data.t !== 'open') return;
    if ('path' in data && typeof data.path === 'string' && data.path !== '') location.hash = data.path;
    // So that no other tab is asked.
    event.ports[0]?.postMessage('here');
  });
  // A policy of the browser, or a profile that keeps nothing.
  navigator.serviceWorker.register(address(), { updateViaCache: 'none' }).catch(() => undefined);
}

/** The one that is at work for this page; undefined where there is none. */
export async function workerOf(): Promise<ServiceWorkerRegistration | undefined> {
  if (!hasWorkers()) return undefined;
  return await navigator.serviceWorker.getRegistration(address());
}

/** Lets the worker ask as this login when no page is open; `{}` when the login was left. */
export async function tellLogin(headers: Readonly<Record<string, string>>): Promise<void> {
  (await workerOf())?.active?.postMessage({ t: 'login', headers });
}
