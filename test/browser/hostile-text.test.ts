// What a stranger's bytes and words can make of the page: escape sequences in a terminal (S18), markup in every text that
// somebody else chooses (S19).

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeConfig } from '../conversations/conversation.fixture.ts';
import { installPlugin } from '../plugins/installed.fixture.ts';
import { inAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { atEnd, forFile } from '../support/teardown.ts';
import { until } from '../support/until.ts';
import { openWatched, residue, TRACE, type WatchedPage } from './alarms.fixture.ts';
import { caughtUp, composer, write } from './conversations.fixture.ts';
import { choose, lines, loginLink, openBrowser, seeLine } from './page.fixture.ts';
import { ASKS, LINKS, SEQUENCES } from './sequences.fixture.ts';
import { Emitter } from './traffic.fixture.ts';

let gateway: Gateway;
let browser: Browser;
let dir: string;
beforeAll(async () => {
  browser = await openBrowser();
  dir = mkdtempSync(join(tmpdir(), 'binnacle-hostile-text-'));
  const agent = resolve(import.meta.dirname, '../conversations/asking-acp.mjs');
  const entries = { main: { driver: 'acp', command: [process.execPath, agent], cwd: dir, default: true } };
  gateway = await openGateway({ prepare: (data) => writeConfig(data, { agents: { entries } }) });
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
});

/** By its address: in a long list it may not be drawn. */
async function open(page: Page, id: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/${id}`);
  await page.locator(`[data-testid="session-view"][data-session="${id}"]`).waitFor();
}

/** What makes a name read otherwise than it is. */
const HIDING = /[^\P{Cc}\n]|[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

/** `prepare`: before anything is loaded. */
async function enter(
  prepare?: (page: Page) => Promise<void>,
): Promise<WatchedPage & { readonly inputs: readonly string[] }> {
  const opened = await openWatched(browser, gateway.url);
  await prepare?.(opened.page);
  const inputs: string[] = [];
  // A frame of input is JSON, or binary with its kind in front: whatever a page sends beyond asking to be shown something.
  opened.page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      const text = payload.toString();
      if (!/"t":"(hello|watch|look|subscribe|unsubscribe|watch_\w+|pong|ping|ack)"/.test(text)) inputs.push(text);
    }),
  );
  await opened.page.goto(await loginLink(gateway));
  await opened.page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  return { ...opened, inputs };
}

type Entered = Awaited<ReturnType<typeof enter>>;
let first: Entered | undefined;

/** The page of the tests that change nothing in it, back at its first view. A test that fails takes it along. */
async function enterAgain(): Promise<Entered> {
  atEnd(async (failed) => {
    if (failed === undefined) return;
    const opened = first;
    first = undefined;
    await opened?.context.close();
  });
  if (first === undefined) {
    first = await forFile(() => enter());
    return first;
  }
  await first.page.evaluate(() => {
    location.hash = '';
  });
  expect(first.alarms).toEqual([]);
  return first;
}

/** Nothing happened, and nothing is in the page that was text. */
async function calm({ page, alarms }: WatchedPage): Promise<void> {
  expect(await residue(page)).toEqual([]);
  expect(alarms).toEqual([]);
}

describe('S18: escape sequences in output', () => {
  /** Says `begin`, prints the file for each line that it is given, then keeps all input in another file. */
  async function printer(bytes: string): Promise<{ id: string; got: () => string }> {
    const [file, copy] = [join(dir, `bytes-${bytes.length}`), join(dir, `got-${bytes.length}`)];
    writeFileSync(file, bytes, 'latin1');
    const command = `stty raw -echo; printf 'begin\\r\\n'; head -c1 > /dev/null; cat '${file}'; printf '\\033c\\r\\nprinted\\r\\n'; exec cat > '${copy}'`;
    const { id } = await gateway.client.sessions.create({ argv: ['/bin/sh', '-c', command], cols: 80, rows: 24 });
    return { id, got: () => (existsSync(copy) ? readFileSync(copy, 'latin1') : '') };
  }

  it('reach nobody outside of the terminal, and a viewer that does not steer answers none of them', async () => {
    const all = SEQUENCES.map(([, bytes]) => bytes).join('');
    const opened = await enterAgain();
    const { page, context, inputs } = opened;
    const { id, got } = await printer(all);
    await choose(page, id);
    await seeLine(page, 'begin');
    const session = gateway.client.session(id);
    await session.write('g');
    await seeLine(page, 'printed');
    // What a viewer had sent would be before this.
    await session.write('END');
    await until('the program has its input', () => got().endsWith('END'));
    expect(got()).toBe('END');
    // Drawn again from the log, where the same queries are history.
    await page.reload();
    await seeLine(page, 'printed');
    expect(inputs).toEqual([]);

    const size = await page.getByTestId('session-view').locator('header').innerText();
    expect(size).toContain('80×24');
    for (const text of [await page.title(), size]) {
      expect(text).not.toMatch(HIDING);
    }
    expect(await page.locator('.xterm img, .xterm canvas[width="1"], .xterm video, .xterm audio').count()).toBe(0);
    await calm(opened);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    expect(await page.evaluate(() => navigator.clipboard.readText())).not.toContain(TRACE);
    // That was our own look into it.
    expect(opened.alarms.splice(0)).toEqual(['console called readText']);
    // Nothing was changed on the way: it is the viewer that does not follow it.
    const copy = Buffer.from(await (await gateway.fetch(`/v1/sessions/${id}/output?since=0`)).arrayBuffer());
    expect(copy.toString('latin1')).toContain(all);
  });

  it('are answered once, by who steers, with nothing that the output could choose', async () => {
    const asks = ASKS.map(([, bytes]) => bytes).join('');
    const steering = await enter();
    const watching = await enterAgain();
    const before = watching.inputs.length;
    const { id, got } = await printer(asks);
    await choose(steering.page, id);
    await choose(watching.page, id);
    await steering.page.locator('[data-testid="lease"]').click();
    await steering.page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
    await steering.page.getByTestId('terminal').click();
    await steering.page.keyboard.type('g');
    await seeLine(steering.page, 'printed');
    await seeLine(watching.page, 'printed');
    await steering.page.keyboard.type('~');
    await until('the program has its input', () => got().endsWith('~'));
    const answers = got().slice(0, -1);
    // One of each that asks, from one page; only what such an answer is made of; no line feed and no word of the output.
    const count = (kind: string): number => answers.split('\x1b').filter((one) => new RegExp(kind).test(one)).length;
    expect({ attributes: count('^\\[\\?[\\d;]*c$'), cursor: count('^\\[\\d+;\\d+R$') }).toEqual({
      attributes: 1,
      cursor: 1,
    });
    expect(answers).not.toMatch(/[\r\n]/);
    expect(answers).not.toMatch(/pwned|evil|rm -rf/);
    expect(watching.inputs.slice(before)).toEqual([]);
    expect(steering.alarms).toEqual([]);
    await calm(watching);
  });

  it('that are links lead nowhere but to the web, and only after what they lead to was shown', async () => {
    const opened = await enterAgain();
    const { page } = opened;
    const links = some(LINKS, 6);
    const rows = links.map(([target, text]) => `\x1b]8;;${target}\x1b\\${text}\x1b]8;;\x1b\\\r\n`).join('');
    const id = await new Emitter(gateway, 'links', { cols: 80, rows: 24 }).emit({ response: `${rows}end\r\n` });
    await choose(page, id);
    await seeLine(page, 'end');
    for (const [at, [, text, shown]] of links.entries()) {
      // By its place: what is under the pointer is drawn anew.
      const row = await page.locator('.xterm-rows > div').nth(at).boundingBox();
      await page.mouse.click((row?.x ?? 0) + 10, (row?.y ?? 0) + (row?.height ?? 0) / 2);
      if (shown === undefined) {
        expect(await page.getByTestId('link-target').count(), text).toBe(0);
        continue;
      }
      expect(await page.getByTestId('link-host').innerText(), text).toBe(shown);
      expect(await page.getByTestId('link-target').innerText(), text).toMatch(/^https?:\/\/[\x21-\x7e]+$/);
      await page.keyboard.press('Escape');
      await page.getByTestId('link-target').waitFor({ state: 'detached' });
    }
    await calm(opened);
  });

  inAll(
    'in floods leave the page its turn: sizes that change all the time, titles by the thousand, strings without an end',
    async () => {
      const opened = await enterAgain();
      const { page } = opened;
      const emitter = new Emitter(gateway, 'storm');
      const id = await emitter.emit({ cols: 80, rows: 24, response: 'begin\r\n' });
      await choose(page, id);
      await seeLine(page, 'begin');
      const titles = Array.from({ length: 5000 }, (_, at) => `\x1b]0;${TRACE} ${at} \u202e\x07`).join('');
      await emitter.emit({ response: titles });
      await emitter.emit({ response: `\x1b]0;${'\u202eA'.repeat(100_000)}\x07` });
      await emitter.emit(
        ...Array.from({ length: 300 }, (_, at) => ({ cols: 20 + (at % 200), rows: 5 + (at % 90), response: 'x' })),
      );
      await emitter.emit(
        { response: `\x1b]52;c;${'QUFB'.repeat(100_000)}` },
        { response: `\x1bP$q${'"'.repeat(200_000)}` },
      );
      await emitter.emit(
        { response: `\x18\x1b_G${'A'.repeat(200_000)}` },
        { response: `\x18\x1b[${'1;'.repeat(50_000)}m` },
      );
      await emitter.emit({ response: '\x18\x1b]0;\u202eone\u061c\u200b\u2066 two\u2028\ufeff three\x07' });
      await page.getByTestId('session-view').locator('header').getByText('three').waitFor();
      expect(await page.getByTestId('session-view').locator('header').innerText()).not.toMatch(HIDING);
      await emitter.emit({ cols: 64, rows: 11, response: '\x18\x1b[m\x1bc\r\nbehind all of it\r\n' });
      await seeLine(page, 'behind all of it');
      await until('it has the last size', async () => (await lines(page)).length === 11);
      const header = await page.getByTestId('session-view').locator('header').innerText();
      expect(header).toContain('64×11');
      expect(header.length).toBeLessThan(600);
      // The page still responds.
      await page.getByTestId('theme').click();
      await page.getByTestId('theme').click();
      await calm(opened);
    },
  );
});

describe('what an agent tells', () => {
  /** Begins a conversation. */
  async function talk(page: Page): Promise<void> {
    const before = await page.getByTestId('conversation-view').count();
    const old = before === 0 ? '' : await page.getByTestId('conversation-view').getAttribute('data-conversation');
    await page.locator('[data-testid$="new-conversation"]:visible').first().click();
    await page.locator(`[data-phase="live"]:not([data-conversation="${old}"])`).waitFor();
    await composer(page).waitFor();
  }

  /** The agent tells this in one turn, to its end. */
  async function update(page: Page, ...updates: readonly object[]): Promise<void> {
    const answers = await page.getByTestId('answer').count();
    await write(page, JSON.stringify({ updates }));
    const turn = page.getByTestId('answer').or(page.getByTestId('part-error')).nth(answers);
    await turn.waitFor();
    await page.locator('[data-testid="conversation-view"][data-working="false"]').waitFor();
  }

  it('is shown whatever it costs and however long it is, and hides nothing', async () => {
    const opened = await enterAgain();
    const { page } = opened;
    await talk(page);
    const cost = (amount: number): object => ({ sessionUpdate: 'usage_update', cost: { currency: 'USD', amount } });
    await update(page, cost(1), cost(1e300), cost(1.5));
    const [info] = (await gateway.client.conversations.list()).conversations;
    expect(info?.usage).toEqual({ costUsd: 1.5 });
    const content = [{ type: 'diff', path: '/x/empty', oldText: null, newText: 150_000 }];
    const call = { sessionUpdate: 'tool_call', toolCallId: 'n', title: 'write', kind: 'edit', status: 'completed' };
    await update(page, { ...call, content });
    expect(await page.getByTestId('tool').innerText()).toContain('+150000');
    const hidden = 'one\u202etwo\u2066\u200b';
    await update(
      page,
      { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: hidden } },
      { sessionUpdate: 'plan', entries: [{ content: hidden, status: 'completed' }] },
    );
    await page.getByTestId('thought').getByRole('button').click();
    await gateway.client.conversation(info?.key ?? '').note(hidden);
    await page.getByTestId('note').waitFor();
    for (const part of ['plan', 'thought', 'note']) {
      const text = await page.getByTestId(part).textContent();
      expect(text, part).not.toMatch(HIDING);
      expect(text, part).toContain('one⟨U+202E⟩two');
    }
    expect(await page.getByTestId('conversation-usage').innerText()).toContain('$1.50');
    await calm(opened);
  });

  it('and cannot be shown leaves all the rest: its neighbours, the list and the way out', async () => {
    // A fault of the page: no text with this word can be drawn.
    const opened = await enter(async (fresh) => {
      await fresh.addInitScript((word) => {
        const { replaceAll } = String.prototype;
        String.prototype.replaceAll = function (this: string, ...args: Parameters<typeof replaceAll>) {
          if (this.includes(word)) throw new Error('a fault');
          return replaceAll.apply(this, args);
        } as typeof replaceAll;
      }, 'unfortunate');
    });
    const { page } = opened;
    await talk(page);
    const plan = (content: string): object => ({ sessionUpdate: 'plan', entries: [{ content, status: 'pending' }] });
    await update(page, plan('fortunate'));
    await update(page, plan('unfortunate'));
    await page.getByTestId('part-error').waitFor();
    expect(await page.getByTestId('plan').innerText()).toContain('fortunate');
    expect(await page.getByTestId('part-error').count()).toBe(1);
    // The page still has its composer: the conversation goes on.
    await update(page, plan('fortunate again'));
    expect(await page.getByTestId('plan').count()).toBe(2);
    expect(await page.getByTestId('error-boundary').count()).toBe(0);

    // What fails in its head takes the conversation, and nothing else.
    await page.evaluate(() => {
      Array.prototype.findLast = () => {
        throw new Error('a fault');
      };
    });
    await composer(page).fill(JSON.stringify({ updates: [] }));
    await composer(page).press('Enter');
    await page.getByTestId('error-boundary').waitFor();
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    expect(await page.getByTestId('conversation').count()).toBeGreaterThan(0);
    await page.getByTestId('logout').waitFor();
    await page.evaluate(() => {
      location.hash = '#/traffic';
    });
    await page.getByTestId('error-boundary').waitFor({ state: 'detached' });
    expect(opened.alarms.filter((alarm) => !alarm.includes('a fault'))).toEqual([]);
  });
});

describe('S19: markup', () => {
  /** Each is harmless only as text. The quotes and angle brackets of one do not close what the others opened. */
  const MARKUP = [
    `<img src=x onerror="window.${TRACE}=1">`,
    `<script>window.${TRACE}=1</script>`,
    `"><svg/onload=window.${TRACE}=1>`,
    `' autofocus onfocus='window.${TRACE}=1`,
    `<iframe srcdoc="<script>parent.${TRACE}=1</script>">`,
    `</title></textarea></style><a href="javascript:window.${TRACE}=1">x</a>`,
    `<math><mtext><style><img src=x onerror=window.${TRACE}=1>`,
    `[x](javascript:window.${TRACE}=1) ![x](https://evil.example/x)`,
    `{{constructor.constructor('window.${TRACE}=1')()}} \${window.${TRACE}=1}`,
    `<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">`,
    `javascript:window.${TRACE}=1//`,
    `__proto__`,
  ];

  it('in names, commands, places, titles, labels, sources and holders of sessions is text', async () => {
    const opened = await enterAgain();
    const { page } = opened;
    const sessions = gateway.client.sessions;
    const markups = some(MARKUP, 6);
    const own = await Promise.all(
      markups.map((name) =>
        sessions.create({ argv: ['/bin/sh', '-c', `printf '\\033]0;%s\\007' "$1"; cat`, 'sh', name], name }),
      ),
    );
    const bare = await sessions.create({ argv: ['/bin/sh', '-c', `: ${MARKUP[0]}; sleep 60`] });
    for (const [at, markup] of markups.entries()) {
      const emitter = new Emitter(gateway, `markup-${at}`, {
        source: markup.slice(0, 64),
        labels: { [`k${at}`]: markup, __proto__: markup },
      });
      await emitter.emit({
        command: markup,
        cwd: `/${markup}`,
        response: `${markup}\r\n`,
        exit_code: 1,
        is_final: true,
      });
    }
    for (const info of [...own, bare]) {
      await open(page, info.id);
      const title = info.name === '' ? `: ${MARKUP[0]}; sleep 60` : info.name;
      expect(await page.getByTestId('session-title').innerText()).toContain(title.trim().slice(0, 60));
      await until('the window has the name', async () => (await page.title()).startsWith(title.trim().slice(0, 20)));
    }
    await gateway
      .connect()
      .session(own[0]?.id ?? '')
      .lease.take({ holder: MARKUP[0] ?? '' });
    await open(page, own[0]?.id ?? '');
    await page.locator('[data-testid="lease"][data-lease="taken"]').waitFor();
    await calm(opened);
    for (const hash of ['#/traffic', `#/search?q=${TRACE}`]) {
      await page.evaluate((to) => {
        location.hash = to;
      }, hash);
      await page.locator('.page').getByText(TRACE).filter({ visible: true }).first().waitFor();
      await calm(opened);
    }
  });

  it('in what an agent says, does and asks for is text, and so is who shares and why', async () => {
    const opened = await enterAgain();
    const { page } = opened;
    await page.locator('[data-testid$="new-conversation"]:visible').first().click();
    await caughtUp(page);
    await composer(page).waitFor();
    const markup = MARKUP.join('\n');
    const [line = ''] = MARKUP;
    const toolCall = {
      toolCallId: line,
      title: line,
      kind: line,
      rawInput: { command: markup, [line]: MARKUP },
      content: [{ type: 'diff', path: `/${line}`, oldText: markup, newText: `${markup}\nmore` }],
      locations: [{ path: line }],
    };
    const options = [
      { optionId: line, name: line, kind: 'allow_once' },
      { optionId: 'd', name: 'Deny', kind: 'reject_once' },
    ];
    await write(page, JSON.stringify({ toolCall, options }));
    await page.getByTestId('approval').waitFor();
    expect(await page.getByTestId('approval').innerText()).toContain(line);
    await calm(opened);
    await page.locator('[data-testid="approval-option"][data-option="d"]').click();
    await page.locator('[data-testid="conversation-view"][data-working="false"]').waitFor();
    for (const opener of await page.getByTestId('tool-open').all()) await opener.click();
    await calm(opened);
  });

  it('in what a plugin is called, says and logs is text', async () => {
    const opened = await enterAgain();
    const { page } = opened;
    const json = JSON.stringify(MARKUP);
    await installPlugin(gateway, {
      id: 'loud',
      source: `export default (api) => {
        for (const text of ${json}) console.log(text);
        api.route('POST', '/tell', async () => {
          for (const text of ${json}.slice(0, 3)) await api.notify({ title: text, text });
          return { status: 204 };
        }, { public: true });
      };`,
      permissions: { httpRoutes: true, notify: true },
    });
    await page.evaluate(() => {
      location.hash = '#/plugins';
    });
    await page.locator('[data-testid="plugin"][data-plugin="loud"]').waitFor();
    expect((await gateway.fetch('/plugins/loud/tell', { method: 'POST' })).status).toBe(204);
    await page
      .getByText(MARKUP[0] ?? '')
      .filter({ visible: true })
      .first()
      .waitFor();
    await calm(opened);
  });

  it('is served as text where it is fetched: no answer of ours can be a page of somebody else', async () => {
    const name = MARKUP[1] ?? '';
    const { id } = await gateway.client.sessions.create({
      argv: ['/bin/sh', '-c', 'printf %s "$1"', 'sh', name],
      name,
    });
    await until('it is over', async () => (await gateway.client.session(id).info()).state === 'closed');
    const ways = ['output', 'export?format=text', 'export?format=cast', 'export?format=jsonl', 'screen', ''];
    for (const way of ways) {
      const answer = await gateway.fetch(`/v1/sessions/${id}${way === '' ? '' : `/${way}`}`);
      expect(answer.headers.get('content-type'), way).not.toMatch(/html|xml|svg|javascript/);
      expect(answer.headers.get('x-content-type-options'), way).toBe('nosniff');
      expect(answer.headers.get('content-security-policy'), way).toContain('sandbox');
      const disposition = answer.headers.get('content-disposition') ?? '';
      expect(disposition, way).not.toMatch(/[<>]/);
      await answer.arrayBuffer();
    }
    // A browser that is sent to one of them: as a text or a file, and no script of it. No test comes behind this one.
    const opened = await enterAgain();
    const answer = await opened.page.goto(`${gateway.url}/v1/sessions/${id}/output?tail=100`);
    expect(answer?.status()).toBeLessThan(500);
    expect(await opened.page.evaluate((trace) => trace in window, TRACE)).toBe(false);
  });
});
