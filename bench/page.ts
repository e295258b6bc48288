// One terminal in a real Chromium, of ours or of a peer: when it shows something, how long it hangs, what memory it takes.
// Knows no page: a terminal is xterm's rows, drawn as text.

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { peakKb, resetPeak } from './processes.ts';

/** Without a graphics card both pages draw with text, which is what this machine can compare. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-3d-apis',
  '--disable-quic',
  '--no-first-run',
  '--disable-sync',
];
const VIEWPORT = { width: 1000, height: 640 };

/** Loaded when it is needed: other lines and their processes do without. */
export async function openChromium(path: string): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return await chromium.launch({ executablePath: path, args: FLAGS });
}

/** What the page itself measures. A string, because it runs there. */
const PROBE = `
  window.probe = { longest: 0, keys: [] };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) probe.longest = Math.max(probe.longest, duration);
  }).observe({ type: 'longtask', buffered: true });
  probe.text = () => [...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent).join('\\n');
  probe.until = (mark, withinMs) => new Promise((done, fail) => {
    const deadline = performance.now() + withinMs;
    const look = () => {
      if (probe.text().includes(mark)) done(performance.now());
      else if (performance.now() > deadline) fail(new Error('Waited in vain for ' + mark + ' in: ' + probe.text().slice(0, 500)));
      else requestAnimationFrame(look);
    };
    look();
  });
  // From the key event to behind the frame that has one more glyph.
  probe.type = () => new Promise((done) => {
    const rows = document.querySelector('.xterm-rows');
    const count = () => rows.textContent.replace(/\\s/g, '').length;
    const before = count();
    let pressed = 0;
    window.addEventListener('keydown', (event) => { pressed = event.timeStamp; }, { capture: true, once: true });
    const observer = new MutationObserver(() => {
      if (pressed === 0 || count() <= before) return;
      observer.disconnect();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(performance.now() - pressed);
      port2.postMessage(0);
    });
    observer.observe(rows, { subtree: true, childList: true, characterData: true });
    probe.isReady = true;
  });
`;

interface Probe {
  longest: number;
  isReady: boolean;
  text(): string;
  until(mark: string, timeoutMs: number): Promise<number>;
  type(): Promise<number>;
}
const GLOBAL = 'probe';
type WithProbe = typeof globalThis & { [GLOBAL]: Probe };

export interface Paint {
  /** First contentful paint, from the navigation on. */
  readonly firstMs: number;
  /** The terminal shows what its program printed. */
  readonly terminalMs: number;
}

/** Cookies, and what pages keep. */
export type Login = Awaited<ReturnType<BrowserContext['storageState']>>;

/** A page with a terminal in it that shows something. Its profile is fresh: nothing is cached. */
export class TerminalPage {
  readonly page: Page;
  readonly paint: Paint;
  readonly #browser: Browser;
  readonly #context: BrowserContext;

  private constructor(browser: Browser, context: BrowserContext, page: Page, paint: Paint) {
    this.#browser = browser;
    this.#context = context;
    this.page = page;
    this.paint = paint;
  }

  /** `mark`: what its program has printed. `login`: the state of a browser that is logged in. */
  static async open(
    browser: Browser,
    url: string,
    mark: string,
    login: Login = { cookies: [], origins: [] },
  ): Promise<TerminalPage> {
    const context = await browser.newContext({ viewport: VIEWPORT, storageState: login });
    await context.addInitScript(PROBE);
    const page = await context.newPage();
    await page.goto(url);
    const terminalMs = await page.evaluate((text) => (globalThis as WithProbe).probe.until(text, 30_000), mark);
    // The browser reports the first paint with a delay.
    const paints = await page.waitForFunction(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    );
    const firstMs = Number(await paints.jsonValue());
    return new TerminalPage(browser, context, page, { firstMs, terminalMs });
  }

  /** Lets `begin` go, and gives how long it takes until `mark` is shown, the longest task, and the peak of memory in kB. */
  async flood(mark: string, begin: () => void): Promise<{ ms: number; longestMs: number; peakKb: number }> {
    const pid = await this.#renderer();
    resetPeak(pid);
    await this.page.evaluate(() => {
      (globalThis as WithProbe).probe.longest = 0;
    });
    const startedAt = performance.now();
    const shown = this.page.evaluate((text) => (globalThis as WithProbe).probe.until(text, 900_000), mark);
    begin();
    await shown;
    const ms = performance.now() - startedAt;
    // The browser reports tasks after their end.
    const longestMs = await this.page.evaluate(
      () => new Promise<number>((done) => setTimeout(() => done((globalThis as WithProbe).probe.longest), 200)),
    );
    return { ms, longestMs, peakKb: peakKb(pid) };
  }

  /** ms from each key event to its glyph; the terminal has the focus. */
  async type(keys: number): Promise<number[]> {
    const durations: number[] = [];
    for (let at = 0; at < keys; at += 1) {
      const seen = this.page.evaluate(() => {
        const { probe } = globalThis as WithProbe;
        probe.isReady = false;
        return probe.type();
      });
      await this.page.waitForFunction(() => (globalThis as WithProbe).probe.isReady);
      await this.page.keyboard.press('abcdefghijklmnopqrstuvwxyz'[at % 26] ?? 'a');
      durations.push(await seen);
    }
    return durations;
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  /** The process that draws: the one with the most memory, where Chromium keeps a spare one. */
  async #renderer(): Promise<number> {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const [largest] = pids.sort((a, b) => peakKb(b) - peakKb(a));
    if (largest === undefined) throw new Error('Chromium has no process that draws.');
    return largest;
  }
}
