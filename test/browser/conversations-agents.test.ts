import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { writeConfig } from '../conversations/conversation.fixture.ts';
import { inAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { openPage } from '../support/page.ts';
import { until } from '../support/until.ts';
import { answer, answers, answerText, caughtUp, composer, ended, waiting, write } from './conversations.fixture.ts';
import { seeLine, sharePage } from './page.fixture.ts';

const APPROVAL_ACP = resolve(import.meta.dirname, '../conversations/asking-acp.mjs');
const FAKE_ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');

function prepare(dir: string): void {
  const entries = {
    main: { driver: 'echo', default: true },
    helper: { driver: 'acp', command: [process.execPath, FAKE_ACP], cwd: dir },
    asking: { driver: 'acp', command: [process.execPath, APPROVAL_ACP], cwd: dir },
  };
  writeConfig(dir, { agents: { entries } });
}

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ prepare });
});

/** Begins a conversation with the agent that is a program of its own. */
async function withHelper(page: Page, agent = 'helper'): Promise<void> {
  await page.getByTestId('new-conversation').click();
  await page.locator(`[data-testid="agent"][data-agent="${agent}"]`).click();
  await caughtUp(page);
  await composer(page).waitFor();
}

it('where there are several agents one is asked which, the default first', async () => {
  const { page } = await sharePage(gateway);
  await page.getByTestId('new-conversation').click();
  expect(await page.getByTestId('agent').locator('strong').allInnerTexts()).toEqual(['main', 'helper', 'asking']);
  await page.keyboard.press('Escape');
  await page.getByTestId('dialog').waitFor({ state: 'detached' });
  await withHelper(page);
  await page.getByTestId('conversation-view').getByText('idle · helper').waitFor();
  expect(await composer(page).getAttribute('placeholder')).toBe('Message helper…');
});

it('thoughts are folded, a plan is a list, and a changed file shows which lines came and went', async () => {
  const { page, complaints } = await sharePage(gateway);
  await withHelper(page);
  await write(page, 'think let me see\nplan look, mend\nedit src/a.ts\nsay mended');
  await ended(page, 'final');
  expect(await page.getByText('let me see', { exact: true }).count()).toBe(0);
  await page.getByTestId('thought').getByRole('button').click();
  await page.getByText('let me see', { exact: true }).waitFor();
  expect(await page.getByTestId('plan').locator('li').allInnerTexts()).toEqual([
    expect.stringContaining('look'),
    expect.stringContaining('mend'),
  ]);
  // A small change is there to read; a click folds it.
  await page.getByTestId('tool-open').getByText('+1').waitFor();
  expect(await page.getByTestId('tool-open').getAttribute('aria-expanded')).toBe('true');
  // Marked by a sign and by a word for those who listen, not by colour alone.
  const lines = page.getByTestId('diff').locator('.diff-line');
  expect(await lines.nth(0).innerText()).toMatch(/−[\s\S]*removed:[\s\S]*before/);
  expect(await lines.nth(1).innerText()).toMatch(/\+[\s\S]*added:[\s\S]*after/);
  expect(await answerText(page)).toBe('mended');
  expect(complaints).toEqual([]);
});

it('the terminal of an agent’s command is live in the conversation, and one click away, and one back', async () => {
  const { page } = await sharePage(gateway);
  await withHelper(page);
  await write(page, 'linger echo from-the-agent; sleep 60');
  await ended(page, 'final');
  // It is seen where it was started, live, as well.
  await page.getByTestId('tool-open').click();
  await page.getByTestId('tool-terminal').waitFor();
  await seeLine(page, 'from-the-agent');
  await page.getByTestId('tool-open').click();
  await page.getByTestId('tool-terminal').waitFor({ state: 'detached' });
  const address = page.url();
  await page.getByTestId('tool-session').click();
  await page.getByTestId('session-view').waitFor();
  await seeLine(page, 'from-the-agent');
  await page.goBack();
  await caughtUp(page);
  expect(page.url()).toBe(address);
});

it('a large change is folded, and shown piece by piece; what runs took is told of each and of all', async () => {
  const { page, complaints } = await sharePage(gateway);
  await withHelper(page);
  await write(page, 'edit big.txt 900\nusage 0.25');
  await ended(page, 'final');
  expect(await page.getByTestId('tool-open').getAttribute('aria-expanded')).toBe('false');
  await page.getByTestId('tool-open').getByText('+900').waitFor();
  await page.getByTestId('tool-open').click();
  const rows = page.getByTestId('diff').locator('.diff-line');
  expect(await rows.count()).toBe(400);
  await page.getByTestId('diff-more').click();
  await page.getByTestId('diff-more').click();
  expect(await rows.count()).toBe(901);
  expect(await page.getByTestId('diff-more').count()).toBe(0);
  expect(await answer(page).locator('.turn-usage').innerText()).toMatch(/tokens in, 7 out, \$0\.25$/);
  // The sum is the gateway's, with what was stopped; it goes on over a reload, where older answers may not be drawn.
  await write(page, 'usage 1.5\nidle');
  await page.getByTestId('stop').click();
  await ended(page, 'aborted');
  const sum = page.getByTestId('conversation-usage').getByText(/tokens in, \d+ out, \$1\.50$/);
  await sum.waitFor();
  await page.reload();
  await sum.waitFor();
  expect(complaints).toEqual([]);
});

it('a request that is denied says so, and by whom', async () => {
  const { page } = await sharePage(gateway);
  await withHelper(page);
  await write(page, 'ask rm -rf build');
  await page.getByTestId('approval').getByText('rm -rf build').first().waitFor();
  await page.getByTestId('approval-option').last().click();
  await page.getByTestId('approval-answer').getByText('admin: No', { exact: true }).waitFor();
  await ended(page, 'final');
  // By the keyboard alone, too: a digit counts where the request has the focus, and is text in the field.
  await write(page, 'ask rm -rf dist');
  const request = page.getByTestId('approval').last();
  await request.and(page.locator('[data-state="waiting"]')).waitFor();
  await composer(page).press('3');
  expect(await composer(page).inputValue()).toBe('3');
  await composer(page).fill('');
  await request.getByTestId('approval-detail').focus();
  await page.keyboard.press('3');
  await request.getByTestId('approval-answer').getByText('admin: No', { exact: true }).waitFor();
  await ended(page, 'final');
});

const ALLOW = { optionId: 'a', name: 'Allow', kind: 'allow_once' };
const DENY = { optionId: 'd', name: 'Deny', kind: 'reject_once' };
const detail = (page: Page) => page.getByTestId('approval-detail');
const option = (page: Page, id: string) => page.locator(`[data-testid="approval-option"][data-option="${id}"]`);

/** An agent asks for that, and the page shows the question. */
async function asksFor(page: Page, toolCall: object, options: readonly object[] = [ALLOW, DENY]): Promise<void> {
  await withHelper(page, 'asking');
  await write(page, JSON.stringify({ toolCall: { toolCallId: '1', title: 'Run', ...toolCall }, options }));
  await detail(page).waitFor();
}

const HIDDEN: readonly (readonly [command: string, shown: string])[] = [
  ['true \x1b]; touch /tmp/PWNED #\x07', 'true ⟨ESC⟩]; touch /tmp/PWNED #⟨BEL⟩'],
  ['true \x1b]; a\nrm -rf b', 'true ⟨ESC⟩]; a\nrm -rf b'],
  ['rm -rf /home #\rls  ', 'rm -rf /home #⟨CR⟩ls  '],
  ['echo \u202e hsab | live.lruc\u202c\u200b\u00ad', 'echo ⟨U+202E⟩ hsab | live.lruc⟨U+202C⟩⟨U+200B⟩⟨U+00AD⟩'],
];
it.each(some(HIDDEN, 2))('hides nothing of what an agent asks for: %j', async (command, shown) => {
  const { page, complaints } = await sharePage(gateway);
  await asksFor(page, { title: command, rawInput: { command, cwd: '/' } }, [{ ...ALLOW, name: command }, DENY]);
  expect(await detail(page).textContent()).toBe(`${shown}\n\nin /`);
  expect(await page.getByTestId('approval').locator('h3').textContent()).toBe(shown.replaceAll('\n', '⟨LF⟩'));
  expect(await option(page, 'a').textContent()).toBe(`Allow once: “${shown.replaceAll('\n', '⟨LF⟩')}”`);
  await option(page, 'd').click();
  await ended(page, 'final');
  expect(complaints).toEqual([]);
});

it('letters from right to left do not change the order of what is asked for', async () => {
  const { page } = await sharePage(gateway);
  await asksFor(page, { rawInput: { command: 'א1/ב' } });
  const places = await detail(page).evaluate((box) =>
    [0, 1, 2, 3].map((at) => {
      const range = document.createRange();
      range.setStart(box.firstChild as Text, at);
      range.setEnd(box.firstChild as Text, at + 1);
      return range.getBoundingClientRect().left;
    }),
  );
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

it('an answer says what it does, whatever the agent calls it, and of one id there is one', async () => {
  const { page } = await sharePage(gateway);
  const options = [
    { optionId: 'x', name: 'Deny', kind: 'allow_always' },
    { optionId: 'n', name: 'Allow', kind: 'reject_once' },
    { optionId: 'n', name: 'Allow', kind: 'allow_once' },
  ];
  await asksFor(page, { rawInput: { command: 'rm', args: ['-rf', '/home'], cwd: '/', env: { X: '1' } } }, options);
  expect(await detail(page).textContent()).toBe('rm -rf /home\n\nin /\n\n{\n  "env": {\n    "X": "1"\n  }\n}');
  expect(await page.getByTestId('approval-option').allInnerTexts()).toEqual(['Allow always: “Deny”', 'Deny: “Allow”']);
  await option(page, 'x').click();
  await page.getByTestId('approval-answer').getByText('admin: Allow always: “Deny”', { exact: true }).waitFor();
  await ended(page, 'final');
  expect(await answerText(page)).toBe('{"outcome":"selected","optionId":"x"}');
});

it('what is longer than its box is allowed only after its end was seen; it can be denied at any time', async () => {
  const { page } = await sharePage(gateway);
  const command = `${Array.from({ length: 100 }, (_, at) => `echo ${at}`).join('\n')}\nrm -rf /home`;
  await asksFor(page, { rawInput: { command } });
  expect(await option(page, 'a').isDisabled()).toBe(true);
  expect(await option(page, 'd').isEnabled()).toBe(true);
  await page.getByTestId('approval-more').getByText('Read it to the end').waitFor();
  await page.getByTestId('approval-more').getByRole('button').click();
  await until('it scrolls', () => detail(page).evaluate((box) => box.scrollTop > 0));
  expect(await option(page, 'a').isDisabled()).toBe(true);
  // The box has the keyboard now.
  await page.keyboard.press('End');
  await page.getByTestId('approval-more').waitFor({ state: 'detached' });
  await option(page, 'a').click();
  await ended(page, 'final');
  expect(await answerText(page)).toBe('{"outcome":"selected","optionId":"a"}');
});

inAll(
  'a run of an agent that is a program goes on through a kill -9 of the gateway, and the page shows all of it once',
  async () => {
    const killed = await openGatewayProcess({ flags: [], prepare });
    const { page } = await openPage(killed);
    await withHelper(page);
    await write(page, 'slow 250');
    await answer(page).getByText('1 2 3 4 5 6').waitFor();
    await killed.kill();
    await page.locator('[data-about="reconnecting"]').waitFor();
    await killed.restart();
    await page.locator('[data-about="reconnecting"]').waitFor({ state: 'detached', timeout: 15_000 });
    await ended(page, 'final');
    const numbers = Array.from({ length: 250 }, (_, at) => at + 1).join(' ');
    expect(await answerText(page)).toBe(numbers);
    await page.reload();
    await caughtUp(page);
    expect(await answerText(page)).toBe(numbers);
  },
);

it('an agent that dies says so with its last words, and is there again for the next message', async () => {
  const { page } = await sharePage(gateway);
  await withHelper(page);
  await write(page, 'say so far\ndie 3');
  await ended(page, 'error');
  await answer(page).getByTestId('end').getByText('agent_died').waitFor();
  expect(await answerText(page)).toBe('so far');
  await write(page, 'say again');
  await until(
    'it answers again',
    async () => (await answers(page).count()) === 2 && (await answerText(page)) === 'again',
  );
  await waiting(page, 0);
});
