import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { endOf, sendTo } from '../conversations/conversation.fixture.ts';
import { count, inAll, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import {
  answer,
  answers,
  answerText,
  caughtUp,
  composer,
  ended,
  openConversation,
  startConversation,
  waiting,
  write,
} from './conversations.fixture.ts';
import { loginLink, openBrowser, openContext, openLoggedIn, sharePage } from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
});

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const numbered = (length: number): string => Array.from({ length }, (_, at) => `w${at}`).join(' ');
/**
 * Runs a check after a reload, in `npm run test:all`. In `npm test` the tests of a stopped run and of a reload in the middle
 * of a run prove that the page draws the past as it drew it live.
 */
async function afterReload(page: Page, check: () => Promise<void>): Promise<void> {
  if (!isAll) return;
  await page.reload();
  await check();
}
const working = (page: Page) => page.locator('[data-testid="conversation-view"][data-working="true"]').waitFor();

/** Of somebody else, or with another scope: logged in with a token made for that. */
async function openAs(options: { scope: 'view' | 'input'; user: string }) {
  const { token } = await gateway.client.tokens.create({ name: options.user, ...options });
  const { url } = await gateway.connect({ token }).createTicket();
  const opened = await openContext(browser);
  await opened.page.goto(url);
  await opened.page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  return opened;
}

describe('a conversation', () => {
  it('is begun with a click, and what is sent comes back word by word until it is whole', async () => {
    const { page, complaints } = await sharePage(gateway);
    const key = await startConversation(page);
    expect(decodeURIComponent(new URL(page.url()).hash)).toBe(`#/c/${key}`);
    const text = numbered(count({ quick: 10, all: 25 }));
    // Recorded in the page: one that asks from outside misses what is drawn in between.
    await page.evaluate(() => {
      const seen: string[] = [];
      const note = (): void => {
        const now = [...document.querySelectorAll('[data-testid="answer"] .prose')].at(-1)?.textContent ?? '';
        if (now !== seen.at(-1)) seen.push(now);
      };
      new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
      Object.assign(window, { seen });
    });
    await write(page, `/slow ${text}`);
    await until('the whole text is there', async () => (await answerText(page).catch(() => '')) === text);
    const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
    expect(seen.length).toBeGreaterThan(5);
    for (const part of seen) expect(text.startsWith(part.trimEnd())).toBe(true);
    await ended(page, 'final');
    expect(await page.getByTestId('message').count()).toBe(1);
    expect(await page.getByTestId('message').locator('p').innerText()).toBe(`/slow ${text}`);
    // Announced once, at the end, and not word by word.
    await page.getByTestId('status').filter({ hasText: text }).waitFor();
    await page.locator(`[data-testid="conversation"][data-conversation="${key}"][data-doing="idle"]`).waitFor();
    expect(complaints).toEqual([]);
  });

  inAll('is seen in the second browser of the same person, while it runs and from its beginning', async () => {
    const { page } = await sharePage(gateway);
    const key = await startConversation(page);
    const second = await openLoggedIn(browser, gateway);
    const text = numbered(count({ quick: 400, all: 30 }));
    await write(page, `/slow ${text}`);
    await openConversation(second.page, key);
    await working(second.page);
    expect(await second.page.getByTestId('message').locator('p').innerText()).toBe(`/slow ${text}`);
    await answer(second.page).getByText('w3 ').waitFor();
    // `npm run test:all` waits for the whole answer.
    if (!isAll) await page.getByTestId('stop').click();
    const state = isAll ? 'final' : 'aborted';
    await Promise.all([ended(page, state), ended(second.page, state)]);
    const whole = await answerText(page);
    if (isAll) expect(whole).toBe(text);
    else expect(whole).toMatch(/^w0 w1 w2 w3/);
    expect(await answerText(second.page)).toBe(whole);
    expect(second.complaints).toEqual([]);
  });

  it('is found by the words of its messages, and a hit leads to it', async () => {
    const { page, complaints } = await sharePage(gateway);
    const key = await startConversation(page);
    await write(page, 'where does the axolotl sleep');
    await ended(page, 'final');
    await page.goto(`${gateway.url}/#/search?q=axolotl`);
    const hits = page.locator(`[data-testid="message-hit"][data-conversation="${key}"]`);
    await hits.first().waitFor();
    expect(await hits.count()).toBe(2);
    expect(await hits.locator('mark').allInnerTexts()).toEqual(['axolotl', 'axolotl']);
    await page.getByTestId('search-status').filter({ hasText: '2 hits' }).waitFor();
    await hits.last().click();
    await page.locator('[data-testid="conversation-view"]').waitFor();
    expect(decodeURIComponent(new URL(page.url()).hash)).toBe(`#/c/${key}`);
    expect(complaints).toEqual([]);
  });

  it('is not there for somebody else, until it is shared with them', async () => {
    const { page } = await sharePage(gateway);
    const key = await startConversation(page);
    await write(page, 'for my eyes');
    await ended(page, 'final');
    const other = await openAs({ scope: 'input', user: 'bob' });
    await other.page.goto(`${gateway.url}/#/c/${encodeURIComponent(key)}`);
    await other.page.getByTestId('empty').getByText('That conversation is gone').waitFor();
    expect(await other.page.getByTestId('conversation').count()).toBe(0);

    await page.getByTestId('visibility').click();
    await page.getByTestId('settings-visibility').selectOption('shared');
    await page.getByTestId('settings-users').fill('bob');
    await page.getByTestId('settings-save').click();
    await page.locator('[data-testid="visibility"][data-visibility="shared"]').waitFor();
    await other.page.getByTestId('conversation').filter({ hasText: 'for my eyes' }).waitFor();
    await caughtUp(other.page);
    expect(await answerText(other.page)).toBe('for my eyes');
  });

  it('shows a token that may only look why there is nowhere to write', async () => {
    const key = (await gateway.client.conversations.create({ visibility: { kind: 'everyone' } })).key;
    await gateway.client.conversation(key).send('/slow one two three').ended;
    const { page, complaints } = await openAs({ scope: 'view', user: 'eve' });
    await openConversation(page, key);
    expect(await answerText(page)).toBe('one two three');
    await page.getByTestId('watching-only').getByText('scope view').waitFor();
    expect(await composer(page).count()).toBe(0);
    expect(await page.getByTestId('new-conversation').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('that only one may write to says who that is, and what is sent meanwhile stays with the reason', async () => {
    const { page } = await sharePage(gateway);
    const key = await startConversation(page);
    const { lease } = gateway.client.conversation(key);
    await lease.acquire({ holder: 'the importer' });
    await composer(page).fill('let me in');
    await composer(page).press('Enter');
    await page.locator('[data-code="lease_held"]').getByText('the importer').waitFor();
    expect(await composer(page).inputValue()).toBe('let me in');
    await page.reload();
    await page.locator('[data-about="lease"]').getByText('the importer').waitFor();
    await lease.release();
    await composer(page).press('Enter');
    await ended(page, 'final');
    expect(await answerText(page)).toBe('let me in');
    await page.locator('[data-about="lease"]').waitFor({ state: 'detached' });
  });

  it('is renamed and removed', async () => {
    const { page } = await sharePage(gateway);
    const key = await startConversation(page);
    await write(page, 'first words');
    await page.getByTestId('conversation-title').getByText('first words').waitFor();
    await page.getByTestId('visibility').click();
    await page.getByTestId('settings-title').fill('A better name');
    await page.getByTestId('settings-save').click();
    await page.getByTestId('conversation-title').getByText('A better name').waitFor();
    expect(await page.title()).toBe('A better name · Binnacle');
    await page.getByTestId('visibility').click();
    await page.getByTestId('settings-remove').click();
    await page.getByTestId('remove-yes').click();
    await page.getByTestId('empty').waitFor();
    await page.locator(`[data-conversation="${key}"]`).waitFor({ state: 'detached' });
    await expect(gateway.client.conversations.get(key)).rejects.toMatchObject({ code: 'conversation_not_found' });
  });
});

describe('a run', () => {
  it('is stopped by a button, and says by whom; what was said stays', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, `/slow ${numbered(200)}`);
    await answer(page).getByText('w3 ').waitFor();
    await page.getByTestId('stop').click();
    await ended(page, 'aborted');
    await answer(page).getByTestId('end').getByText('Stopped by').waitFor();
    const partial = await answerText(page);
    expect(partial).toMatch(/^w0 w1 w2 w3/);
    expect(partial.length).toBeLessThan(numbered(200).length);
    await page.reload();
    await caughtUp(page);
    expect(await answerText(page)).toBe(partial);
    await answer(page).getByTestId('end').getByText('Stopped by').waitFor();
    await page.getByTestId('stop').waitFor({ state: 'detached' });
  });

  it('that fails shows the reason, and what was said before it', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, '/fail the tank is empty');
    await ended(page, 'error');
    await answer(page).getByTestId('end').getByText('the tank is empty').waitFor();
    expect(await answerText(page)).toBe('This goes wrong now.');
    await afterReload(page, async () => {
      await caughtUp(page);
      await answer(page).getByTestId('end').getByText('the tank is empty').waitFor();
    });
  });

  it('lets messages wait behind it, which are changed and taken back before it ends', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, `/slow ${numbered(400)}`);
    await working(page);
    for (const text of ['first', 'second', 'third']) await write(page, text);
    const queued = await waiting(page, 3);
    await queued.nth(0).getByTestId('queued-edit').click();
    await page.getByTestId('queued-text').fill('first, changed');
    await page.getByTestId('queued-save').click();
    await queued.nth(0).getByText('first, changed').waitFor();
    await queued.nth(1).getByTestId('queued-cancel').click();
    await page.locator('[data-testid="message"][data-state="cancelled"]').getByText('second').waitFor();
    await waiting(page, 2);
    await page.getByTestId('stop').click();
    await waiting(page, 0);
    await ended(page, 'final');
    await until('both were answered', async () => (await answers(page).count()) === 3);
    expect(await answers(page).nth(1).locator('.prose').innerText()).toBe('first, changed');
    expect(await answers(page).nth(2).locator('.prose').innerText()).toBe('third');
  });

  it('is interrupted by a message that is sent so, where the agent can do that', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, `/slow ${numbered(400)}`);
    await working(page);
    await page.getByTestId('steer').getByText('Stop it and send').click();
    expect(await page.getByTestId('steer-inject').count()).toBe(0);
    await write(page, 'rather this');
    await ended(page, 'final');
    expect(await answerText(page)).toBe('rather this');
    await answers(page).first().getByTestId('end').getByText('Interrupted by').waitFor();
  });

  it('and all that waits behind it end with one button', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, `/slow ${numbered(400)}`);
    await write(page, 'never said');
    await waiting(page, 1);
    await page.getByTestId('stop-all').click();
    await ended(page, 'aborted');
    await waiting(page, 0);
    expect(await answers(page).count()).toBe(1);
  });

  it('asks for approval, which another tab gives, and both say who gave it', async () => {
    const { context, page } = await sharePage(gateway);
    const key = await startConversation(page);
    await write(page, '/ask open the hatch');
    const request = page.getByTestId('approval');
    await request.and(page.locator('[data-state="waiting"]')).waitFor();
    await page.getByTestId('approval-left').getByText(/left/).waitFor();
    await page.locator(`[data-conversation="${key}"][data-doing="approval"]`).waitFor();
    await page.getByTestId('status').getByText('asks for approval').waitFor({ state: 'attached' });

    const other = await context.newPage();
    await other.goto(page.url());
    await other.getByTestId('approval-option').first().waitFor();
    expect(await other.getByTestId('approval-option').allInnerTexts()).toEqual(['Allow', 'Always allow', 'Deny']);
    await other.locator('[data-option="allow"]').click();
    for (const tab of [page, other]) {
      await tab.getByTestId('approval-answer').getByText(': Allow').waitFor();
      await ended(tab, 'final');
      expect(await answerText(tab)).toMatch(/Thank you/);
    }
    await afterReload(page, () => page.getByTestId('approval-answer').getByText(': Allow').waitFor());
  });

  it('shows its tool calls as rows that open', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, '/tool hello from a tool');
    await ended(page, 'final');
    const tool = page.getByTestId('tool');
    expect(await tool.getAttribute('data-status')).toBe('done');
    expect(await page.getByTestId('tool-body').count()).toBe(0);
    await page.getByTestId('tool-open').press('Enter');
    await page.getByTestId('tool-body').getByText('hello from a tool').first().waitFor();
    await afterReload(page, async () => {
      await caughtUp(page);
      expect(await tool.count()).toBe(1);
    });
  });
});

describe('through trouble', () => {
  it('a reload in the middle of a run shows the text so far, and the rest of it', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    const text = numbered(count({ quick: 14, all: 40 }));
    await write(page, `/slow ${text}`);
    await answer(page).getByText('w3 ').waitFor();
    await page.reload();
    await caughtUp(page);
    expect(await answerText(page)).toMatch(/^w0 w1 w2 w3/);
    await ended(page, 'final');
    expect(await answerText(page)).toBe(text);
  });

  inAll(
    'a kill -9 of the gateway is said, the page comes back by itself, and the next message is answered',
    async () => {
      const killed = await openGatewayProcess({ flags: [] });
      const { page } = await openLoggedIn(browser, killed);
      await startConversation(page);
      await write(page, 'before');
      await ended(page, 'final');
      await write(page, `/slow ${numbered(400)}`);
      await answer(page).getByText('w3 ').waitFor();
      await killed.kill();
      await page.locator('[data-about="reconnecting"]').waitFor();
      // A message written meanwhile is not lost: it is sent after the reconnect.
      await composer(page).fill('after');
      await composer(page).press('Enter');
      await killed.restart();
      await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor({ timeout: 15_000 });
      await page.locator('[data-about="reconnecting"]').waitFor({ state: 'detached' });
      // The echo agent lives in the gateway: its run cannot go on, and says so.
      await page.locator('[data-testid="end"][data-state="error"]').waitFor({ timeout: 15_000 });
      await until('the message that waited was answered', async () => (await answerText(page)) === 'after', 15_000);
      expect(await answers(page).count()).toBe(3);
      expect(await page.getByTestId('message').locator('p').allInnerTexts()).toEqual([
        'before',
        `/slow ${numbered(400)}`,
        'after',
      ]);
    },
  );

  it('a message that the gateway refuses stays where it was written, with the reason', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    const large = 'x'.repeat(300 * 1024);
    await composer(page).fill(large);
    await composer(page).press('Enter');
    await page.locator('[data-code="message_too_large"]').waitFor();
    expect((await composer(page).inputValue()).length).toBe(large.length);
  });

  it('what was typed and not sent is there after a look at another conversation, and after a reload', async () => {
    const { page } = await sharePage(gateway);
    const first = await startConversation(page);
    await composer(page).fill('half a thou');
    await startConversation(page);
    expect(await composer(page).inputValue()).toBe('');
    await openConversation(page, first);
    expect(await composer(page).inputValue()).toBe('half a thou');
    await page.reload();
    await caughtUp(page);
    expect(await composer(page).inputValue()).toBe('half a thou');
  });
});

describe('reading', () => {
  const box = (page: Page) => page.getByTestId('talk');
  const top = (page: Page) => box(page).evaluate((element) => element.scrollTop);

  it('stays where the reader is while text comes, and goes to the end when asked to', async () => {
    const { page } = await sharePage(gateway);
    await startConversation(page);
    await write(page, Array.from({ length: 60 }, (_, at) => `line ${at}`).join('\n'));
    await ended(page, 'final');
    expect(await box(page).getAttribute('data-at-end')).toBe('true');
    await write(page, `/slow ${numbered(count({ quick: 400, all: 60 }))}`);
    await working(page);
    await box(page).hover();
    await page.mouse.wheel(0, -500);
    await page.getByTestId('jump').waitFor();
    const before = await top(page);
    // Text of more than a line comes meanwhile: it would move the reader.
    const words = (await answerText(page)).split(' ').length;
    await answer(page)
      .getByText(`w${words + 8} `)
      .waitFor({ state: 'attached' });
    expect(await top(page)).toBe(before);
    await page.getByTestId('jump').click();
    await page.getByTestId('jump').waitFor({ state: 'detached' });
    if (!isAll) await page.getByTestId('stop').click();
    await ended(page, isAll ? 'final' : 'aborted');
    const rest = await box(page).evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
    expect(rest).toBeLessThan(4);
  });

  it('goes back page by page to the first message, and never has more than 120 turns in the document', async () => {
    const { key } = await gateway.client.conversations.create({});
    // A message and its answer are two turns.
    const messages = count({ quick: 75, all: 130 });
    for (let at = 0; at < messages; at += 1) {
      const { run } = await sendTo(gateway, key, { text: `message ${at}` });
      await endOf(gateway, key, run?.id ?? '');
    }
    const { page } = await sharePage(gateway);
    await openConversation(page, key);
    const last = page.getByTestId('answer').getByText(`message ${messages - 1}`, { exact: true });
    await last.waitFor();
    const turns = page.locator('[data-entry]');
    const first = page.getByTestId('message').getByText('message 0', { exact: true });
    const oldest = () => turns.first().getAttribute('data-entry');
    let most = await turns.count();
    while ((await first.count()) === 0) {
      const before = await oldest();
      await box(page).evaluate((element) => {
        element.scrollTop = 0;
      });
      await until('earlier turns came', async () => (await oldest()) !== before);
      most = Math.max(most, await turns.count());
    }
    expect(await first.count()).toBe(1);
    expect(most).toBeLessThanOrEqual(120);
    await page.getByTestId('jump').click();
    await last.waitFor();
    expect(await turns.count()).toBeLessThanOrEqual(120);
  }, 60_000);
});

describe('markup', () => {
  const CORPUS = [
    '<img src=x onerror="window.pwned=1">',
    '<script>window.pwned=1</script>',
    '<svg/onload=window.pwned=1>',
    '[press](javascript:window.pwned=1)',
    '![x](https://evil.example/x.png)',
    '<a href="javascript:window.pwned=1">press</a>',
    '"><iframe srcdoc="<script>parent.pwned=1</script>">',
    '</textarea><script>window.pwned=1</script>',
    '```html\n<img src=x onerror="window.pwned=1">\n```',
    '```"><script>window.pwned=1</script>\nx\n```',
    '{{constructor.constructor("window.pwned=1")()}}',
  ];

  it('in messages, answers, tools, requests, reasons and titles is text and does nothing', async () => {
    const { page, complaints } = await sharePage(gateway);
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(gateway.url)) elsewhere.push(request.url());
    });
    await startConversation(page);
    const all = CORPUS.join('\n\n');
    await write(page, all);
    await ended(page, 'final');
    expect(await page.getByTestId('message').locator('p').innerText()).toBe(all);
    const shown = await answer(page).innerText();
    for (const line of CORPUS.filter((text) => !text.startsWith('```'))) expect(shown).toContain(line);
    expect(await page.getByTestId('code').first().locator('code').innerText()).toBe(
      '<img src=x onerror="window.pwned=1">',
    );
    await write(page, `/tool ${CORPUS[0]}`);
    await ended(page, 'final');
    await page.getByTestId('tool-open').click();
    await write(page, `/fail ${CORPUS[1]}`);
    await ended(page, 'error');
    await write(page, `/ask ${CORPUS[2]}`);
    await page
      .getByTestId('approval')
      .getByText(CORPUS[2] ?? '')
      .first()
      .waitFor();
    await page.locator('[data-option="deny"]').click();
    await ended(page, 'final');
    await page.getByTestId('visibility').click();
    await page.getByTestId('settings-title').fill(CORPUS[6] ?? '');
    await page.getByTestId('settings-save').click();
    await page
      .getByTestId('conversation-title')
      .getByText(CORPUS[6] ?? '')
      .waitFor();
    expect(
      await page.locator('main img, nav img, main script, nav script, iframe, main a, main svg[onload]').count(),
    ).toBe(0);
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
    expect({ complaints, elsewhere }).toEqual({ complaints: [], elsewhere: [] });
  });

  it('that is code is copied as it is', async () => {
    const { context, page } = await sharePage(gateway);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await startConversation(page);
    await write(page, 'look:\n```sh\necho "a"\n  echo b\n```\ndone');
    await ended(page, 'final');
    await page.getByTestId('copy').click();
    await page.getByTestId('copy').getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('echo "a"\n  echo b');
  });
});

describe('on a phone', () => {
  it('everything fits, the list is a drawer, and a button sends while Enter makes a line', async () => {
    const { page, complaints } = await openLoggedIn(browser, gateway, PHONE);
    await startConversation(page);
    await composer(page).tap();
    await page.keyboard.type('one');
    await page.keyboard.press('Enter');
    await page.keyboard.type('two');
    expect(await composer(page).inputValue()).toBe('one\ntwo');
    await page.getByTestId('send').tap();
    await ended(page, 'final');
    expect(await answerText(page)).toBe('one\ntwo');
    await write2(page, `/slow ${numbered(400)}`);
    await working(page);
    await write2(page, 'a message which waits and is longer than the line of a phone is wide, by far');
    await waiting(page, 1);
    const sizes = await page.evaluate(() => ({
      page: document.documentElement.scrollWidth,
      talk: document.querySelector('[data-testid="talk"]')?.scrollWidth ?? 0,
      low: Math.max(
        ...['send', 'stop', 'composer'].map(
          (id) => document.querySelector(`[data-testid="${id}"]`)?.getBoundingClientRect().bottom ?? 0,
        ),
      ),
      small: [...document.querySelectorAll('.talk-foot .button')].filter((e) => e.getBoundingClientRect().height < 28)
        .length,
    }));
    expect(sizes).toMatchObject({ page: 390, talk: 390, small: 0 });
    expect(sizes.low).toBeLessThanOrEqual(844);
    await page.getByTestId('stop').tap();
    await page.getByTestId('menu').tap();
    await page.getByTestId('conversation').first().waitFor();
    expect(complaints).toEqual([]);
  });

  async function write2(page: Page, text: string): Promise<void> {
    await composer(page).fill(text);
    await page.getByTestId('send').tap();
    await page.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>('[data-testid="composer"]')?.value === '',
    );
  }
});

inAll('the address of a conversation that is not there says so, and a login link still opens it', async () => {
  const { page } = await openContext(browser);
  await page.goto(await loginLink(gateway));
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  await page.goto(`${gateway.url}/#/c/agent%3Amain%3Anowhere`);
  await page.getByTestId('empty').getByText('That conversation is gone').waitFor();
});
