import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { count, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openPage } from '../support/page.ts';
import { until } from '../support/until.ts';
import { choose, lines, seeLine, sharePage } from './page.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const MIB = 1024 * 1024;
const menu = async (page: Page, item: string): Promise<void> => {
  await page.getByTestId('session-menu').click();
  await page.getByTestId(`menu-${item}`).click();
};

/** Bytes that came over its WebSockets. */
function counted(page: Page): () => number {
  let bytes = 0;
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      bytes += payload.length;
    });
  });
  return () => bytes;
}

/** More than may be fetched. */
const LARGE = count({ quick: 4 * MIB, all: 32 * MIB });

it(`a session of ${LARGE / MIB} MiB opens with its screen, for a bounded number of bytes, and follows live from there`, async () => {
  const info = await gateway.client.sessions.create({
    command: `yes "$(printf %0999d 7)" | head -c ${LARGE}; printf '\\e[2J\\e[Hthe-screen\\n'; read go; echo lively; read stop`,
  });
  await until(
    'all of it is there',
    async () => (await gateway.client.sessions.get(info.id)).outputOffset > LARGE,
    60_000,
  );
  const { page, complaints } = await sharePage(gateway);
  const fetched = counted(page);
  await page.reload();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  await choose(page, info.id);
  await seeLine(page, 'the-screen');
  expect(fetched()).toBeLessThan(3 * MIB);
  await gateway.client.session(info.id).write('go\n');
  await seeLine(page, 'lively');
  expect(fetched()).toBeLessThan(3 * MIB);
  expect(complaints).toEqual([]);
}, 90_000);

it('a session in the address is shown before the list of sessions has come', async () => {
  const { page } = await sharePage(gateway);
  const { id } = await gateway.client.sessions.create({ command: 'echo in-the-address; read stop' });
  let release = (): void => undefined;
  const shown = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(/\/v1\/sessions\?/, async (route) => {
    await shown;
    await route.continue();
  });
  await page.goto(`${gateway.url}/#/${id}`);
  await page.reload();
  await seeLine(page, 'in-the-address');
  expect(await page.getByTestId('sidebar-list').getAttribute('aria-busy')).toBe('true');
  release();
  await page.locator(`[data-testid="session"][data-session="${id}"]`).waitFor();
});

it('what is copied has no wraps and no padding; a command’s output and all of it are copied from the menu', async () => {
  const { context, page } = await sharePage(gateway);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.url });
  const info = await gateway.client.sessions.create({
    command: `printf 'a%.0s' $(seq 1 190); printf '\\n%s   \\n' padded; printf 'last\\n'; read stop`,
    cols: 80,
  });
  await choose(page, info.id);
  await seeLine(page, 'last');
  const clipboard = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
  const rows = page.locator('.xterm-rows > div');
  const box = async (at: number) => {
    const found = await rows.nth(at).boundingBox();
    if (found === null) throw new Error(`row ${at} is not on the page`);
    return found;
  };
  const [first, end] = [await box(0), await box(4)];
  await page.mouse.move(first.x + 1, first.y + first.height / 2);
  await page.mouse.down();
  await page.mouse.move(end.x + end.width - 2, end.y + end.height / 2, { steps: 4 });
  await page.mouse.up();
  await page.keyboard.press('Control+Shift+C');
  const copied = `${'a'.repeat(190)}\npadded\nlast`;
  await until('the clipboard has it', async () => (await clipboard()) === copied);
  await menu(page, 'copy-all');
  await until('the clipboard has all of it', async () => (await clipboard()) === `${copied}\n`);

  const shell = await gateway.client.sessions.create({ runs: true });
  await choose(page, shell.id);
  await gateway.client.session(shell.id).run('seq 1 3').ended;
  await gateway.client.session(shell.id).run('echo one-more; echo line').ended;
  await until('both are marked', async () => (await page.getByTestId('run-mark').count()) === 2);
  await menu(page, 'copy-last');
  await until('the last one is copied', async () => (await clipboard()) === 'one-more\nline\n');
});

it('commands in what came with the screen are marked, and Alt with PgUp and PgDn goes from one to the next', async () => {
  const { id } = await gateway.client.sessions.create({ runs: true });
  const session = gateway.client.session(id);
  for (const command of ['seq 1 60000', 'echo the-first; seq 1 60', 'echo the-second; seq 1 60']) {
    await session.run(command).ended;
  }
  const { page, complaints } = await openPage(gateway);
  await choose(page, id);
  await seeLine(page, '60');
  await page.getByTestId('session-menu').click();
  await page.getByTestId('menu-run-older').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('terminal').click();
  for (const [key, line] of [
    ['Alt+PageUp', 'the-second'],
    ['Alt+PageUp', 'the-first'],
    ['Alt+PageDown', 'the-second'],
  ] as const) {
    await page.keyboard.press(key);
    await seeLine(page, line);
  }
  expect(await lines(page)).not.toContain('the-first');
  // The marks of commands out of view stay in the page, hidden, in whatever order they were drawn.
  await page.getByTestId('run-mark').filter({ visible: true }).waitFor();
  expect(complaints).toEqual([]);
});

it('the find bar counts what is loaded, goes from match to match, and leads to a search of all of it', async () => {
  const { page, complaints } = await sharePage(gateway);
  const { id } = await gateway.client.sessions.create({
    command: 'for i in 1 2 3; do echo "Needle $i"; done; echo the needle in hay; seq -f "many %g" 1 1100; cat',
  });
  await choose(page, id);
  await seeLine(page, 'many 1100');
  // Where nothing is marked, nothing is drawn beside the lines with each frame.
  const ruler = page.locator('.xterm-decoration-overview-ruler');
  expect(await ruler.count()).toBe(0);
  const width = (): Promise<number> => page.locator('.xterm-screen').evaluate((element) => element.clientWidth);
  const before = await width();
  await page.getByTestId('terminal').click();
  await page.keyboard.press('Control+Shift+F');
  await page.getByTestId('find-text').fill('needle ');
  const count = page.getByTestId('find-count');
  await count.getByText('4 of 4').waitFor();
  expect(await ruler.count()).toBe(1);
  expect(await width()).toBe(before);
  await page.keyboard.press('Enter');
  await count.getByText('3 of 4').waitFor();
  await page.keyboard.press('Shift+Enter');
  await count.getByText('4 of 4').waitFor();
  await page.getByTestId('find-case').click();
  await count.getByText('1 of 1').waitFor();
  await page.getByTestId('find-text').fill('Needle');
  await count.getByText('3 of 3').waitFor();
  expect(await page.getByTestId('find-all').getAttribute('href')).toBe(`#/search?q=Needle&session=${id}`);
  // More than that are not counted, and it says so.
  await page.getByTestId('find-text').fill('many');
  await count.getByText('1,000+').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('find').waitFor({ state: 'detached' });
  await page.keyboard.type('typed again');
  await seeLine(page, 'typed again');
  expect(complaints).toEqual([]);
});

it('on pipes what came on stderr has a sign, keeps its colours, and can be shown alone', async () => {
  const { page, complaints } = await sharePage(gateway);
  const info = await gateway.client.sessions.create({
    mode: 'pipe',
    command: `echo out-1; printf '\\e[32merr-1\\e[0m\\n' >&2; echo out-2; echo err-2 >&2; sleep 0.2; read stop`,
  });
  await choose(page, info.id);
  await seeLine(page, 'err-2');
  await seeLine(page, 'out-2');
  const signed = async (): Promise<string[]> => {
    const tops = await page
      .locator('.stderr-sign:not([hidden])')
      .evaluateAll((signs) => signs.map((sign) => sign.getBoundingClientRect().top));
    const rows = await page
      .locator('.xterm-rows > div')
      .evaluateAll((all) =>
        all.map((row) => [row.textContent?.trim() ?? '', row.getBoundingClientRect().top] as const),
      );
    return tops.map((top) => rows.find(([, at]) => Math.abs(at - top) < 4)?.[0] ?? '?').sort();
  };
  await until('the rows of stderr are signed', async () => (await signed()).join() === 'err-1,err-2');
  expect(await page.locator('.xterm-rows span.xterm-fg-2').textContent()).toBe('err-1');
  await page.getByTestId('session-menu').click();
  await page.getByTestId('stream-stderr').check();
  await until('stdout is left out', async () => (await lines(page)).filter(Boolean).join() === 'err-1,err-2');
  await page.getByTestId('stream-both').check();
  await seeLine(page, 'out-1');
  expect(complaints).toEqual([]);
});

it('older output comes by itself as one scrolls up, and joins without a line missing or twice', async () => {
  const { page, complaints } = await sharePage(gateway);
  // As many bytes in fewer lines take fewer screenfuls.
  const [last, digits] = isAll ? [2000, 160] : [500, 720];
  const { id } = await gateway.client.sessions.create({
    command: `for i in $(seq 1 ${last}); do printf 'n %05d \\e[3%dm%0${digits}d\\e[0m\\n' $i $((i % 8)) $i; done; echo all-done; read stop`,
    cols: digits + 20,
  });
  await until('all of it is there', async () => (await gateway.client.sessions.get(id)).outputOffset > 350_000, 30_000);
  await choose(page, id);
  await seeLine(page, 'all-done');
  await page.getByTestId('terminal').click();
  const numbers = async (): Promise<number[]> =>
    (await lines(page)).flatMap((line) => /^n (\d+)/.exec(line)?.[1] ?? []).map(Number);
  let before = await numbers();
  const seen = new Set(before);
  await until(
    'the first line is reached',
    async () => {
      await page.keyboard.press('Shift+PageUp');
      await page.evaluate(
        () => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
      );
      const now = await numbers();
      const first = now[0] ?? 0;
      // Each picture is whole, and none leaps: the reader keeps the place when lines come above it.
      if (!now.every((number, at) => number === first + at)) throw new Error(`out of order: ${now.join()}`);
      if (before[0] !== undefined && first < before[0] - 60) throw new Error(`from ${before[0]} it leapt to ${first}`);
      before = now;
      for (const number of now) seen.add(number);
      return first === 1;
    },
    60_000,
  );
  expect(seen.size).toBe(last);
  // The line may be drawn before the page knows that nothing stands above it.
  await page.locator('[data-testid="session-view"][data-above="none"]').waitFor();
  expect(complaints).toEqual([]);
}, 90_000);
