// `npm run pictures`: a gateway of its own with demonstration sessions and a conversation, and the README's pictures of it.
// Names and what is shown are the same each time; nothing of this machine is in them.
//
//   npm run pictures [-- NAME…] [--to DIR] [--png]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildIfNeeded } from './build.mjs';
import { AGENT, DEPLOY, IMPORT, LINT, RELEASE, TESTS } from './demonstration.mjs';
import { install } from './install.mjs';
import { bin, main, root } from './run.mjs';
import { findChromium } from './system-tools.mjs';

const DESKTOP = { viewport: { width: 1180, height: 800 }, deviceScaleFactor: 1.5 };
const PHONE = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const WEBP_QUALITY = 86;
const WAIT_MS = 20_000;

async function shoot(page, context, asPng) {
  if (asPng) return await page.screenshot();
  // Playwright writes no WebP; the browser does.
  const session = await context.newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: WEBP_QUALITY });
  return Buffer.from(data, 'base64');
}

/** @type {Record<string, { colours: 'dark' | 'light', device: object, take: (page: import('playwright-core').Page, harbour: Harbour) => Promise<void> }>} */
const PICTURES = {
  'session-dark': { colours: 'dark', device: DESKTOP, take: steer },
  'session-light': { colours: 'light', device: DESKTOP, take: steer },
  'session-phone': { colours: 'light', device: PHONE, take: show('tests', 'press') },
  'list-phone': {
    colours: 'dark',
    device: PHONE,
    take: async (page, harbour) => {
      await show('tests', 'press')(page, harbour);
      await page.getByTestId('menu').click();
      await page.getByTestId('session').first().waitFor();
    },
  },
  'conversation-dark': { colours: 'dark', device: DESKTOP, take: converse },
  'conversation-phone': { colours: 'light', device: PHONE, take: converse },
  'replay-dark': {
    colours: 'dark',
    device: DESKTOP,
    take: async (page, harbour) => {
      await show('import soundings', 'sheet 12')(page, harbour);
      await page.getByTestId('session-menu').click();
      await page.getByTestId('menu-timeline').click();
      const scrubber = page.getByTestId('scrubber').and(page.locator(':enabled'));
      await scrubber.waitFor();
      const [from, to] = [Number(await scrubber.getAttribute('min')), Number(await scrubber.getAttribute('max'))];
      await scrubber.fill(String(from + (to - from) * 0.4));
      await page.getByTestId('replay-screen').getByText('sheet').first().waitFor();
    },
  },
  'share-dark': {
    colours: 'dark',
    device: DESKTOP,
    take: async (page, harbour) => {
      await show('tests', 'press')(page, harbour);
      await page.getByTestId('share').click();
      await page.getByTestId('share-dialog').waitFor();
      await page.getByTestId('share-label').fill('for the pilots');
      await page.getByTestId('share-make').click();
      await page.getByTestId('share-made').waitFor();
    },
  },
};

function show(name, mark) {
  return async (page, harbour) => {
    await page.evaluate(
      (hash) => {
        location.hash = hash;
      },
      `#/${harbour.ids.get(name)}`,
    );
    await page.locator('.xterm-rows').getByText(mark).first().waitFor();
  };
}

async function steer(page, harbour) {
  await show('tests', 'press')(page, harbour);
  await page.locator('[data-testid="lease"]').click();
  await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
}

async function converse(page, harbour) {
  await page.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `#/c/${encodeURIComponent(harbour.conversation)}`,
  );
  await page.getByTestId('approval-option').first().waitFor();
  // What it changed, which opens by itself where it is little.
  await page.getByTestId('diff').first().waitFor();
  await page.getByTestId('approval').scrollIntoViewIfNeeded();
}

/** Program, name of its session, text; in the order in which they begin. */
const PROGRAMS = [
  ['biome', 'lint', LINT],
  ['deploy-preview', 'deploy preview', DEPLOY],
  ['soundings', 'import soundings', IMPORT],
  ['release', 'release 2.4.0', RELEASE],
  ['vitest', 'tests', TESTS],
];

/** The gateway, with all that the pictures show. */
class Harbour {
  /** Sessions by their names. */
  ids = new Map();
  conversation = '';
  conversations = [];

  static async open() {
    const harbour = new Harbour();
    harbour.dir = mkdtempSync(join(tmpdir(), 'binnacle-pictures-'));
    try {
      await harbour.#start();
      await harbour.#fill();
    } catch (error) {
      await harbour.close();
      throw error;
    }
    return harbour;
  }

  async #start() {
    const file = (name, text) => {
      const path = join(this.dir, name);
      writeFileSync(path, text);
      return path;
    };
    const data = join(this.dir, 'data');
    mkdirSync(data, { mode: 0o700 });
    const agent = file('agent.mjs', AGENT);
    const entries = { pilot: { driver: 'acp', command: [process.execPath, agent], cwd: this.dir, default: true } };
    writeFileSync(join(data, 'config.jsonc'), JSON.stringify({ agents: { entries } }));
    // Found by their names, so that no place of this machine stands in a command.
    const programs = join(this.dir, 'programs');
    mkdirSync(programs);
    for (const [name, , text] of PROGRAMS) {
      writeFileSync(join(programs, name), `#!${process.execPath}\n${text}`, { mode: 0o700 });
    }
    this.child = spawn(process.execPath, [bin('binnacle'), 'serve', '--data', data, '--port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, HOME: this.dir, SHELL: '/bin/bash', PATH: `${programs}:${process.env.PATH}` },
    });
    const [line] = await once(this.child.stdout, 'data');
    this.url = JSON.parse(String(line)).url;
    this.token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  }

  async #fill() {
    for (const [program, name] of PROGRAMS) {
      const { id } = await this.ask('POST', '/v1/sessions', { argv: [program], name, cols: 104, rows: 38 });
      this.ids.set(name, id);
    }
    const event = { session_id: 'nightly-412', source: 'ci', command: 'npm run nightly', labels: { branch: 'main' } };
    await this.ask('POST', '/v1/pty-traffic/emit', {
      ...event,
      response: '▸ nightly 412\r\n  soak tests: hour 3 of 8\r\n',
    });
    const other = await this.ask('POST', '/v1/conversations', { title: 'Charts of the north passage' });
    this.conversations.push(other.key);
    const { key } = await this.ask('POST', '/v1/conversations', { title: 'The pilot is a quarter of an hour early' });
    this.conversation = key;
    this.conversations.push(key);
    const text =
      'A test fails at spring tides: the pilot boards at 18:42 and should at 18:57. Please find out why, and mend it.';
    await this.ask('POST', `/v1/conversations/${encodeURIComponent(key)}/messages`, { text });
  }

  async ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : await answer.json();
  }

  async loginLink() {
    return (await this.ask('POST', '/v1/tickets', {})).url;
  }

  /** Ends the sessions, the gateway and its runners. */
  async close() {
    if (this.url !== undefined) {
      for (const key of this.conversations) await this.ask('DELETE', `/v1/conversations/${encodeURIComponent(key)}`);
      const { sessions } = await this.ask('GET', '/v1/sessions?limit=1000');
      await Promise.all(sessions.map(({ id }) => this.ask('DELETE', `/v1/sessions/${id}`)));
    }
    if (this.child !== undefined && this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

await main(import.meta, async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { to: { type: 'string', default: join(root, 'docs/images') }, png: { type: 'boolean', default: false } },
  });
  const unknown = positionals.filter((name) => PICTURES[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`There is no picture ${unknown}; there are ${Object.keys(PICTURES).join(', ')}.`);
  await install();
  await buildIfNeeded();
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('There is no Chromium: apt-get install chromium, or set BINNACLE_CHROMIUM.');
  const { chromium } = await import('playwright-core');
  const harbour = await Harbour.open();
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
  });
  try {
    mkdirSync(values.to, { recursive: true });
    for (const name of positionals.length > 0 ? positionals : Object.keys(PICTURES)) {
      const { colours, device, take } = PICTURES[name];
      const context = await browser.newContext({
        ...device,
        colorScheme: colours,
        locale: 'en-GB',
        reducedMotion: 'reduce',
      });
      context.setDefaultTimeout(WAIT_MS);
      const page = await context.newPage();
      await page.goto(await harbour.loginLink());
      await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
      await take(page, harbour);
      // Nothing blinks, nothing fades in, and no pointer is over anything.
      await page.mouse.move(0, 0);
      // As an object: the page's policy takes no style from its text.
      await page.evaluate(() => {
        const still = new CSSStyleSheet();
        still.replaceSync(
          '*,*::before,*::after{animation:none!important;transition:none!important;caret-color:transparent!important}',
        );
        document.adoptedStyleSheets.push(still);
      });
      await sleep(400);
      const file = join(values.to, `${name}.${values.png ? 'png' : 'webp'}`);
      const bytes = await shoot(page, context, values.png);
      writeFileSync(file, bytes);
      console.log(`${file} ${Math.round(bytes.length / 1024)} KiB`);
      await context.close();
    }
  } finally {
    await browser.close();
    await harbour.close();
  }
});
