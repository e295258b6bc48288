// Hears whatever hostile text could make a page do: dialogs, errors, refusals by its policy, other windows and places,
// requests to elsewhere, calls that reach out of the page, scripts that ran. Knows no test.

import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { type OpenPage, openContext } from './page.fixture.ts';

/** What hostile text sets where it is run, as a global or on the prototype of everything. */
export const TRACE = 'pwned';

export interface WatchedPage extends OpenPage {
  /** What happened that must not, in order. */
  readonly alarms: string[];
}

/** What must not be called by itself: it reaches people, other windows, the clipboard or the paper. */
const WRAPPED = `(() => {
  const wrap = (owner, name) => {
    const own = owner?.[name];
    if (typeof own !== 'function') return;
    owner[name] = function (...given) {
      console.error('called ' + name);
      return own.apply(this, given);
    };
  };
  for (const name of ['open', 'print', 'moveTo', 'moveBy', 'resizeTo', 'resizeBy']) wrap(window, name);
  for (const name of ['writeText', 'write', 'readText', 'read']) wrap(navigator.clipboard, name);
  wrap(document, 'execCommand');
  wrap(Element.prototype, 'requestFullscreen');
  wrap(window.Notification, 'requestPermission');
  document.addEventListener('securitypolicyviolation', (event) =>
    console.error('policy ' + event.effectiveDirective + ' ' + event.blockedURI));
})();`;

/** A browser of its own whose every page is listened to. `origin`: the only one that it may talk to. */
export async function openWatched(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const opened = await openContext(browser, options);
  const alarms: string[] = [];
  await opened.context.addInitScript(WRAPPED);
  listen(opened.context, opened.page, origin, alarms);
  return { ...opened, alarms };
}

function listen(context: BrowserContext, page: Page, origin: string, alarms: string[]): void {
  context.on('page', (other) => alarms.push(`window ${other.url()}`));
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:') && url !== 'about:blank')
      alarms.push(`request ${url}`);
  });
  page.on('dialog', (dialog) => {
    alarms.push(`dialog ${dialog.message()}`);
    dialog.dismiss().catch((error: unknown) => alarms.push(String(error)));
  });
  page.on('download', (download) => alarms.push(`download ${download.url()}`));
  page.on('pageerror', (error) => alarms.push(`error ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') alarms.push(`console ${message.text()}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(origin).host) alarms.push(`socket ${socket.url()}`);
  });
  page.on('framenavigated', (frame) => {
    const url = frame.url();
    if (frame !== page.mainFrame()) alarms.push(`frame ${url}`);
    else if (!url.startsWith(`${origin}/`) && url !== 'about:blank') alarms.push(`navigation ${url}`);
  });
}

/** What is in the page that text must not become: elements that load or run, handlers, targets, traces of a script. */
export const residue = (page: Page): Promise<string[]> =>
  page.evaluate((trace) => {
    const found: string[] = [];
    if (trace in window || trace in {}) found.push('a script ran');
    const own = new URL(document.baseURI).origin;
    for (const element of document.querySelectorAll('*')) {
      const name = element.tagName.toLowerCase();
      if (/^(iframe|frame|object|embed|base|applet|portal|marquee|math|foreignobject)$/.test(name)) found.push(name);
      if (name === 'script' && (element as HTMLScriptElement).src === '') found.push('script without a source');
      for (const { name: attribute, value } of element.attributes) {
        if (/^on|^srcdoc$/.test(attribute)) found.push(`${name} ${attribute}`);
        if (!/^(href|src|action|formaction|xlink:href|data|poster|ping)$/.test(attribute) || value.startsWith('#'))
          continue;
        const target = new URL(value, document.baseURI);
        // Pictures that the page makes itself are in the document.
        if (target.origin !== own && target.protocol !== 'data:') found.push(`${name} ${attribute}=${value}`);
      }
    }
    return found;
  }, TRACE);
