import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { type OpenPage, openPage } from '../support/page.ts';
import { until } from '../support/until.ts';
import { choose, lines, screenfuls, seeLine, sharePage, shown } from './page.fixture.ts';
import { Emitter } from './traffic.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const row = (page: Page, id: string) => page.locator(`[data-testid="session"][data-session="${id}"]`);
const notice = (page: Page, about: string) => page.locator(`[data-testid="notice"][data-about="${about}"]`);
const go = (page: Page, hash: string) => page.goto(`${gateway.url}/${hash}`);
const output = async (id: string, at: GatewayAccess = gateway): Promise<string> =>
  await (await at.fetch(`/v1/sessions/${id}/output`)).text();

/** What stands out of the page at its right, where one would have to scroll sideways for it; not what is cut with dots. */
const outside = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const isCut = (one: Element): boolean => one.closest('td, .hit-head, .foreign-who, .sr-only, svg, thead') !== null;
    const own = [...(document.querySelector('.main')?.querySelectorAll('*') ?? [])];
    const far = own.filter((one) => one.closest('.xterm') === null && one.getBoundingClientRect().right > innerWidth);
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the document'] : [];
    return [...wide, ...far.filter((one) => !isCut(one)).map((one) => `${one.tagName} ${one.className}`)];
  });

/** All numbers of the lines `n 1`, `n 2` … in the scrollback, each right behind the one before. */
async function numbers(page: Page): Promise<number[]> {
  const seen = new Set<number>();
  for (const screen of await screenfuls(page)) {
    const found = screen.flatMap((line) => /^n (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    expect(found).toEqual(found.map((_, at) => (found[0] ?? 0) + at));
    for (const number of found) seen.add(number);
  }
  return [...seen];
}
/** More than four screenfuls. */
const LINES = count({ quick: 150, all: 400 });
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);
/** Lines `n from` … `n to`. */
const counted = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, at) => `n ${from + at}\r\n`).join('');

describe('a session that runs elsewhere', () => {
  it('comes into the list by itself, marked, and its page shows all of it live, to the end', async () => {
    const { page, complaints } = await sharePage(gateway);
    const own = await gateway.client.sessions.create({ name: 'mine' });
    const emitter = new Emitter(gateway, 'build-1', { source: 'ci', labels: { repo: 'binnacle', task: '7' } });
    const id = await emitter.emit({ command: 'make -j4 all', response: counted(1, 50) });
    await row(page, id).filter({ hasText: 'make -j4 all' }).filter({ hasText: 'ci' }).waitFor();
    expect(await row(page, id).getAttribute('data-where')).toBe('elsewhere');
    expect(await row(page, own.id).getAttribute('data-where')).toBe('here');

    await choose(page, id);
    await seeLine(page, 'n 50');
    const strip = page.getByTestId('foreign');
    await strip.getByText('Runs elsewhere: you can watch it here').waitFor();
    await strip.getByTestId('foreign-source').getByText('ci').waitFor();
    expect(await strip.getByTestId('foreign-label').allInnerTexts()).toEqual(
      expect.arrayContaining([expect.stringContaining('binnacle'), expect.stringContaining('7')]),
    );
    await strip.getByText('build-1').waitFor();
    for (const test of ['lease', 'interrupt', 'keys']) expect(await page.getByTestId(test).count()).toBe(0);

    for (let from = 51; from <= LINES; from += 50) await emitter.emit({ response: counted(from, from + 49) });
    await seeLine(page, `n ${LINES}`);
    await page.getByTestId('terminal').click();
    await page.keyboard.type('nobody hears this');
    await emitter.emit({ is_final: true, exit_code: 3 });
    await notice(page, 'exit').getByText('Exited with code 3').waitFor();
    await strip.getByText('Ran elsewhere').waitFor();
    expect(await numbers(page)).toEqual(upTo(LINES));
    expect(await output(id)).toBe(counted(1, LINES));
    expect(complaints).toEqual([]);
  });

  inAll('goes on in its page through a kill -9 of the gateway, with nothing missing and nothing twice', async () => {
    const killed = await openGatewayProcess({ flags: [] });
    const { page } = await openPage(killed);
    const emitter = new Emitter(killed, 'through-a-kill', { source: 'ci' });
    const id = await emitter.emit({ command: 'count', response: counted(1, 10) });
    await row(page, id).waitFor();
    await choose(page, id);
    await emitter.emit({ response: counted(11, 50) });
    await seeLine(page, 'n 50');
    let stored = 50;
    const streaming = (async () => {
      for (let from = 51; from <= LINES; from += 10) {
        await emitter.emit({ response: counted(from, from + 9) });
        stored = from + 9;
      }
      await emitter.emit({ is_final: true, exit_code: 0 });
    })();
    await until('it is in the midst of its output', () => stored > 50);
    await killed.kill();
    await notice(page, 'reconnecting').waitFor();
    await killed.restart();
    await streaming;
    await seeLine(page, `n ${LINES}`);
    await notice(page, 'exit').getByText('Exited with code 0').waitFor();
    await notice(page, 'reconnecting').waitFor({ state: 'detached' });
    expect(await numbers(page)).toEqual(upTo(LINES));
    expect(await output(id, killed)).toBe(counted(1, LINES));
  });

  it('says how much never came, and begins lines at the left for emitters that send bare line feeds', async () => {
    const { page } = await sharePage(gateway);
    const emitter = new Emitter(gateway, 'with-holes', { source: 'mcp_core' });
    const id = await emitter.emit(
      { command: 'first --one', response: 'one\ntwo\nthree\n' },
      { response: 'behind the hole\n', lost_bytes: 70_000 },
      { command: 'second --one', response: 'four\n', lost_bytes: 1680 },
    );
    await row(page, id).waitFor();
    await choose(page, id);
    await seeLine(page, 'three');
    await seeLine(page, 'behind the hole');
    await notice(page, 'lost').getByText('70 KiB of this output never came here').waitFor();
    await page.getByRole('banner').or(page.locator('.bar')).getByText('second --one').waitFor();
  });

  it('can be removed while it runs, and the page says that its program goes on', async () => {
    const { page } = await sharePage(gateway);
    const id = await new Emitter(gateway, 'to-be-removed').emit({ command: 'sleep 9', response: 'x\r\n' });
    await row(page, id).waitFor();
    await choose(page, id);
    await page.getByTestId('kill').click();
    await page.getByTestId('dialog').getByText('The program goes on where it runs').waitFor();
    expect(await page.getByTestId('end-keep').count()).toBe(0);
    await page.getByTestId('end-remove').click();
    await row(page, id).waitFor({ state: 'detached' });
  });
});

describe('the filter of the list', () => {
  it('separates local and foreign sessions, filters by source, label, state and text, and says when nothing fits', async () => {
    const own = (await gateway.client.sessions.create({ name: 'filter own', command: 'sleep 60' })).id;
    const running = await new Emitter(gateway, 'filter-running', { source: 'nightly', labels: { team: 'red' } }).emit({
      command: 'filter alpha',
    });
    const ended = await new Emitter(gateway, 'filter-ended', { source: 'weekly', labels: { team: 'blue' } }).emit({
      command: 'filter beta',
      is_final: true,
      exit_code: 0,
    });
    const { page } = await sharePage(gateway);
    for (const id of [own, running, ended]) await row(page, id).waitFor();
    const filterText = page.getByTestId('filter-text');
    const isShown = async () => [
      await row(page, own).count(),
      await row(page, running).count(),
      await row(page, ended).count(),
    ];
    const show = (expected: number[]) =>
      until(`the list shows ${expected}`, async () => JSON.stringify(await isShown()) === JSON.stringify(expected));

    await filterText.fill('FILTER');
    await show([1, 1, 1]);
    await filterText.fill('filter beta');
    await show([0, 0, 1]);
    await filterText.fill('filter');
    await page.getByTestId('filter-more').click();
    await page.getByTestId('filter-where').selectOption('elsewhere');
    await show([0, 1, 1]);
    await page.getByTestId('filter-state').selectOption('running');
    await show([0, 1, 0]);
    await page.getByTestId('filter-state').selectOption('all');
    await page.getByTestId('filter-source').selectOption('weekly');
    await show([0, 0, 1]);
    await page.getByTestId('filter-label').selectOption('team=red');
    await page.getByTestId('none-match').waitFor();
    await page.getByTestId('none-clear').click();
    await show([1, 1, 1]);
    await page.getByTestId('filter-where').selectOption('here');
    await filterText.fill('filter');
    await show([1, 0, 0]);
    await page.getByTestId('filter-where').selectOption('all');
    await filterText.fill('');
    await show([1, 1, 1]);
  });
});

describe('the search', () => {
  const findable = (q: string, least: number) =>
    until(
      `${q} is found`,
      async () => {
        const { hits } = await gateway.client.search(q);
        return new Set(hits.map(({ session }) => session)).size >= least;
      },
      20_000,
    );

  it('finds a word in an own and in a foreign session, and leads to its line in each, marked', async () => {
    const noise = (from: number) => `seq -f 'noise %g' ${from} ${from + 299}`;
    const own = (
      await gateway.client.sessions.create({
        name: 'own with needle',
        command: `${noise(1)}; echo "the xylophone is here"; ${noise(1001)}; sleep 60`,
      })
    ).id;
    const filler = (from: number) => Array.from({ length: 300 }, (_, at) => `noise ${from + at}\r\n`).join('');
    const foreign = await new Emitter(gateway, 'with-needle', { source: 'ci' }).emit(
      { command: 'play', response: filler(1) },
      { response: `a \u001b[31mxylophone\u001b[0m elsewhere\r\n${filler(1001)}` },
    );
    await findable('xylophone', 2);
    const { page, complaints } = await sharePage(gateway);
    await page.getByTestId('sidebar-search').fill('xylophone');
    await page.keyboard.press('Enter');
    await page.getByTestId('hit').nth(1).waitFor();
    expect(await page.getByTestId('hit').count()).toBe(2);
    expect(await page.locator('mark').allInnerTexts()).toEqual(['xylophone', 'xylophone']);
    expect(page.url()).toContain('#/search?q=xylophone');
    // Hits are cards with room between them, not the numbered list that they are for a screen reader.
    const shape = await page.getByTestId('hits').evaluate((list) => {
      const [first, second] = [...list.children].map((hit) => hit.getBoundingClientRect());
      return { listStyle: getComputedStyle(list).listStyleType, gap: (second?.top ?? 0) - (first?.bottom ?? 0) };
    });
    expect(shape).toEqual({ listStyle: 'none', gap: 8 });

    for (const [id, line] of [
      [own, 'the xylophone is here'],
      [foreign, 'a xylophone elsewhere'],
    ] as const) {
      const hit = page.locator(`[data-testid="hit"][data-session="${id}"]`);
      await hit.focus();
      await page.keyboard.press('Enter');
      await page.getByTestId('place').waitFor();
      expect(await shown(page)).toBe(id);
      await seeLine(page, line);
      // The mark stands on that very line, with some lines above it.
      const at = (await lines(page)).indexOf(line);
      expect(at).toBe(4);
      const [mark, marked] = [page.getByTestId('place'), page.locator('.xterm-rows > div').nth(at)];
      const [above, below] = [await mark.boundingBox(), await marked.boundingBox()];
      expect(Math.abs((above?.y ?? 0) - (below?.y ?? 99))).toBeLessThan(2);

      await notice(page, 'place').getByRole('button').click();
      await seeLine(page, 'noise 1300');
      await notice(page, 'place').waitFor({ state: 'detached' });
      expect(page.url()).toMatch(new RegExp(`#/${id}$`));
      await page.goBack();
      await page.goBack();
      await page.getByTestId('hit').first().waitFor();
    }
    expect(complaints).toEqual([]);
  });

  inAll('stops behind a place with megabytes after it, and goes on to live from there', async () => {
    const id = (
      await gateway.client.sessions.create({
        name: 'deep',
        command: "seq -f 'deep %g' 1 1000; echo the-quokka-line; seq -f 'deep %g' 2000 200000; echo deep-end; sleep 60",
      })
    ).id;
    await findable('quokka', 1);
    await until('all of it is there', async () => (await output(id)).includes('deep-end'));
    const [hit] = (await gateway.client.search('quokka')).hits;
    const { page } = await sharePage(gateway);
    await go(page, `#/${id}?at=${hit?.offset}`);
    await page.locator('[data-testid="session-view"][data-phase="paused"]').waitFor();
    await seeLine(page, 'the-quokka-line');
    await notice(page, 'place').getByText('more follow').waitFor();
    // Another place of the same session, as a second hit or the browser's back would ask for.
    const far = (await output(id)).indexOf('deep 100000\r\n');
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `#/${id}?at=${far}`);
    await seeLine(page, 'deep 100000');
    await until('the mark is on that line', async () => (await lines(page)).indexOf('deep 100000') === 4);
    expect(await page.getByTestId('place').count()).toBe(1);
    // The screen shows old output: input is disabled.
    expect(await page.locator('[data-testid="lease"]').getAttribute('data-lease')).toBe('none');
    await notice(page, 'place').getByRole('button').click();
    await page.locator('[data-testid="session-view"][data-phase="live"]').waitFor();
    await seeLine(page, 'deep-end');
    expect((await lines(page)).some((line) => line === 'the-quokka-line')).toBe(false);
    expect(await page.locator('[data-testid="lease"]').getAttribute('data-lease')).toBe('free');
  });

  inAll('says how much is not indexed yet, and finds it when asked again', async () => {
    const { page } = await sharePage(gateway);
    await go(page, '#/search?q=the-last-platypus');
    await page.getByTestId('search-none').waitFor();
    const { id } = await gateway.client.sessions.create({
      mode: 'pipe',
      command: 'seq 1 1000000; echo the-last-platypus; sleep 60',
    });
    await until('the index is behind', async () => {
      await page.getByTestId('search-text').press('Enter');
      await page.locator('[data-testid="search-view"][data-busy="false"]').waitFor();
      return (await page.getByTestId('behind').count()) === 1;
    });
    await page.getByTestId('behind').getByText('Still indexing').waitFor();
    await findable('the-last-platypus', 1);
    await page.getByTestId('search-text').press('Enter');
    await page.getByTestId('hit').waitFor();
    await gateway.client.sessions.delete(id);
  });

  it('an offset whose output is gone is reported with its size, and the rest is shown', async () => {
    const small = await openGateway({ retainBytes: 64 * 1024 });
    try {
      const emitter = new Emitter(small, 'short-memory', { source: 'ci' });
      const id = await emitter.emit({ command: 'long', response: counted(1, 10) });
      const last = count({ quick: 60_000, all: 150_000 });
      for (let from = 11; from < last; from += 15_000) await emitter.emit({ response: counted(from, from + 14_999) });
      await until(
        'the oldest output is gone',
        async () => (await small.client.sessions.get(id)).oldestOffset > 0,
        15_000,
      );
      const { page } = await openPage(small);
      await page.goto(`${small.url}/#/${id}?at=20`);
      await notice(page, 'gap').getByText('no longer kept').waitFor();
      await notice(page, 'place').getByText('what follows it is marked').waitFor();
      await seeLine(page, /^n \d{4,}$/);
    } finally {
      await small.close();
    }
  });

  it('is limited to one session from its page, says what it cannot search for, and when there is nothing', async () => {
    const one = (await gateway.client.sessions.create({ command: 'echo wombat one; sleep 60' })).id;
    await gateway.client.sessions.create({ command: 'echo wombat two; sleep 60' });
    await findable('wombat', 2);
    const { page, complaints } = await sharePage(gateway);
    await row(page, one).waitFor();
    await choose(page, one);
    await page.getByTestId('session-menu').click();
    await page.getByTestId('menu-search').click();
    await page.getByTestId('search-text').fill('wombat');
    await page.keyboard.press('Enter');
    await page.getByTestId('hit').waitFor();
    expect(await page.getByTestId('hit').getAttribute('data-session')).toBe(one);
    await page.getByTestId('search-only').click();
    await page.getByTestId('hit').nth(1).waitFor();

    await page.getByTestId('search-text').fill('nowherewasthis');
    await page.keyboard.press('Enter');
    await page.getByTestId('search-none').waitFor();
    expect(complaints).toEqual([]);
    await page.getByTestId('search-text').fill('-only');
    await page.keyboard.press('Enter');
    const failure = page.locator('[data-testid="failure"][data-code="bad_query"]');
    await failure.getByText('The query is not valid').waitFor();
    expect(await page.getByText('Try again').count()).toBe(0);
  });
});

describe('the page of traffic', () => {
  it('shows each event with its command, exit and size, newest first, and new ones by themselves', async () => {
    const emitter = new Emitter(gateway, 'table-1', { source: 'table', labels: { kind: 'shown' } });
    await emitter.emit({ command: 'npm run table', response: 'x'.repeat(2048) });
    const { page, complaints } = await sharePage(gateway);
    await go(page, '#/traffic?source=table');
    const rows = page.getByTestId('traffic-row');
    await rows.filter({ hasText: 'npm run table' }).filter({ hasText: '2 KiB' }).waitFor();
    await emitter.emit({ response: 'last words\r\n', exit_code: 137, is_final: true, lost_bytes: 5000 });
    await rows.nth(1).waitFor();
    const first = rows.first();
    expect(await first.locator('.cell-exit').innerText()).toMatch(/✕\s*failed:\s*137/);
    expect(await first.locator('.cell-size').innerText()).toMatch(/12 bytes\s+5 KiB lost|12 bytes\s+4.9 KiB lost/);
    expect(await first.locator('.cell-source').innerText()).toBe('table');
    await until(
      'the strip counts the failure',
      async () => (await page.getByTestId('strip-failure').locator('dd').innerText()) === '1',
    );
    await first.locator('a').click();
    await seeLine(page, /last words$/);
    expect(complaints).toEqual([]);
  });

  it('is narrowed by its filters, which the address keeps, and pages to the first event', async () => {
    const many = new Emitter(gateway, 'many', { source: 'paged' });
    const steps = count({ quick: 60, all: 120 });
    await many.emit(...Array.from({ length: steps }, (_, at) => ({ command: `step ${at + 1}`, response: 'y' })));
    await many.emit({ is_final: true, exit_code: 0 });
    await new Emitter(gateway, 'other', { source: 'paged2' }).emit({ command: 'other', is_final: true, exit_code: 4 });
    await until(
      'all are in the index',
      async () =>
        (await gateway.client.traffic.events({ source: 'paged', command: `step ${steps}` })).events.length > 0,
      20_000,
    );
    const { page } = await sharePage(gateway);
    await page.getByTestId('sidebar-traffic').click();
    const rows = page.getByTestId('traffic-row');
    await rows.first().waitFor();
    await page.getByTestId('ask-source').fill('paged');
    await page.keyboard.press('Enter');
    await until(
      'only that source is shown',
      async () => (await rows.count()) === 50 && page.url().includes('source=paged'),
    );
    // Each page has 50, and the last event says how it ended.
    for (let shown = 50; shown <= steps; shown += 50) {
      await page.getByTestId('traffic-more').click();
      await rows.nth(Math.min(shown + 49, steps)).waitFor();
    }
    await page.getByTestId('traffic-more').waitFor({ state: 'detached' });
    await rows.filter({ hasText: 'step 1' }).last().waitFor();

    await page.getByTestId('ask-final').check();
    await until('one final event is left', async () => (await rows.count()) === 1);
    await page.reload();
    await until('the address kept the filters', async () => (await rows.count()) === 1);
    await page.getByTestId('ask-exit').fill('4');
    await page.keyboard.press('Enter');
    await page.getByTestId('traffic-none').waitFor();
    await page.getByTestId('ask-clear').click();
    await rows.nth(1).waitFor();
  });
});

describe('the filters of the traffic', () => {
  it('hold as one types, say how many events fit, and are no steps to go back through', async () => {
    for (const name of ['typed-1', 'typed-2'])
      await new Emitter(gateway, name, { source: 'typed' }).emit({ command: name, is_final: true, exit_code: 5 });
    await until(
      'both are in the index',
      async () => (await gateway.client.traffic.events({ source: 'typed' })).events.length === 2,
      20_000,
    );
    const { page, complaints } = await sharePage(gateway);
    await page.getByTestId('sidebar-traffic').click();
    const [rows, status] = [page.getByTestId('traffic-row'), page.getByTestId('traffic-status')];
    await rows.first().waitFor();
    expect(await page.getByTestId('strip-wider').count()).toBe(0);
    await page.getByTestId('ask-source').pressSequentially('typed', { delay: 20 });
    await status.getByText('2 events fit the filters').waitFor();
    expect(await rows.count()).toBe(2);
    expect(page.url()).toContain('source=typed');
    expect(await page.getByTestId('ask-source').evaluate((field) => field === document.activeElement)).toBe(true);
    expect(await page.getByTestId('strip-wider').count()).toBe(0);

    await page.getByTestId('ask-command').pressSequentially('typed-2 ');
    await status.getByText('1 event fits the filters').waitFor();
    // What is typed next goes on behind the space.
    expect(await page.getByTestId('ask-command').inputValue()).toBe('typed-2 ');
    await page.getByTestId('strip-wider').getByText('all events of typed: other filters do not count here').waitFor();
    await page.getByTestId('ask-source').fill('');
    await page.getByTestId('strip-wider').getByText('all events: filters do not count here').waitFor();
    await page.goBack();
    await page.getByTestId('empty').waitFor();
    expect(complaints).toEqual([]);
  });

  it('keep what cannot hold, and say why it does not', async () => {
    await new Emitter(gateway, 'kept-1', { source: 'kept' }).emit({ command: 'kept', is_final: true, exit_code: 7 });
    const { page } = await sharePage(gateway);
    await go(page, '#/traffic?source=kept&exit=7');
    const exit = page.getByTestId('ask-exit');
    const rows = page.getByTestId('traffic-row');
    await rows.first().waitFor();
    await exit.fill('abc');
    await page.getByTestId('wrong-exit').getByText('An exit code is a number').waitFor();
    await until('the address has no exit code', async () => !page.url().includes('exit='));
    await exit.press('Enter');
    await page.getByTestId('ask-source').focus();
    expect([await exit.inputValue(), await exit.getAttribute('aria-invalid')]).toEqual(['abc', 'true']);
    await exit.fill('7');
    await page.getByTestId('wrong-exit').waitFor({ state: 'detached' });
    await until('it holds', async () => page.url().includes('exit=7'));
    await exit.fill('7x');
    await page.getByTestId('ask-clear').click();
    await until('all is cleared', async () => (await exit.inputValue()) === '' && page.url().endsWith('#/traffic'));
  });
});

it('an address that names nothing says so', async () => {
  const { page } = await sharePage(gateway);
  await page.evaluate(() => {
    location.hash = '#/nope';
  });
  await page.getByTestId('empty').getByText('There is no such session').waitFor();
  await page.getByTestId('sidebar-traffic').click();
  await page.getByTestId('traffic-view').waitFor();
});

describe('on a phone', () => {
  const phone = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
  /** One for all that is shown in the dark. */
  let dark: OpenPage;
  beforeAll(async () => {
    dark = await openPage(gateway, { ...phone, colorScheme: 'dark' });
  });
  /** How wide the terminal is and how much of it is seen, in px; and its type. */
  const bars = (page: Page) =>
    page.evaluate(() => {
      const frame = document.querySelector('.screen');
      const type = getComputedStyle(document.querySelector('.xterm-rows') ?? document.body).fontSize;
      return {
        type: Number.parseFloat(type),
        over: (frame?.scrollWidth ?? 0) - (frame?.clientWidth ?? 0),
        left: frame?.scrollLeft ?? -1,
      };
    });

  it('output of pipes from elsewhere wraps at the width of the window', async () => {
    const letters = 'abcdefghij'.repeat(12);
    const id = await new Emitter(gateway, 'phone-pipe', { source: 'ci', stream: 'stdout' }).emit({
      command: 'wide',
      response: `${letters}\nthe end\n`,
    });
    const { page } = dark;
    await go(page, `#/${id}`);
    await seeLine(page, 'the end');
    await until('it is as wide as the window', async () => {
      const all = await lines(page);
      const end = all.indexOf('the end');
      return end > 2 && all.slice(0, end).join('') === letters;
    });
    expect(await bars(page)).toEqual({ type: 12, over: 0, left: 0 });
  });

  it('a terminal from elsewhere keeps its size, in type that can be read, and a finger moves it sideways', async () => {
    const letters = 'abcdefghij'.repeat(8);
    const id = await new Emitter(gateway, 'phone-pty', { source: 'ci' }).emit({
      command: 'wide',
      response: `${letters}\r\nthe end\r\n`,
    });
    const { page } = dark;
    await go(page, `#/${id}`);
    await seeLine(page, letters);
    await until('it is drawn in its type', async () => {
      const { type, over } = await bars(page);
      return type === 11 && over > 0;
    });
    await page.getByTestId('terminal').evaluate((terminal) => {
      const touch = (type: string, clientX: number): void => {
        const finger = new Touch({ identifier: 1, target: terminal, clientX, clientY: 300 });
        terminal.dispatchEvent(new TouchEvent(type, { touches: [finger], bubbles: true, cancelable: true }));
      };
      touch('touchstart', 300);
      for (let x = 290; x > 0; x -= 10) touch('touchmove', x);
    });
    const after = await bars(page);
    expect(after.left).toBe(after.over);
  });

  for (const colorScheme of ['dark', 'light'] as const) {
    const inScheme = colorScheme === 'dark' ? it : inAll;
    inScheme(`everything fits without scrolling sideways, ${colorScheme}`, async () => {
      const labels = { repo: 'a/rather/long/name/of/a/repository-that-goes-on', task: '7' };
      const id = await new Emitter(gateway, `phone-${colorScheme}-${'long-'.repeat(20)}name`, {
        source: 'mcp_core',
        labels,
      }).emit(
        { command: `phone --${'very-'.repeat(30)}long`, response: `${'z'.repeat(300)} marsupial ${colorScheme}\r\n` },
        { is_final: true, exit_code: 1 },
      );
      await until(
        'it is found',
        async () => (await gateway.client.search(`marsupial ${colorScheme}`)).hits.length > 0,
        20_000,
      );
      const { page, complaints } = colorScheme === 'dark' ? dark : await openPage(gateway, { ...phone, colorScheme });
      const folder = process.env.BINNACLE_SHOTS;
      const shot = async (name: string): Promise<void> => {
        if (folder !== undefined) await page.screenshot({ path: `${folder}/phone-${name}-${colorScheme}.png` });
        expect(await outside(page)).toEqual([]);
      };
      await go(page, '#/traffic');
      await page.getByTestId('traffic-row').first().waitFor();
      await shot('traffic');
      await page.getByTestId('traffic-filters').click();
      await shot('traffic-filters');
      await go(page, '#/search?q=marsupial');
      await page.getByTestId('hit').first().waitFor();
      await shot('search');
      await go(page, `#/${id}`);
      await page.locator('[data-testid="session-view"][data-phase="over"]').waitFor();
      await page.getByTestId('foreign').waitFor();
      await shot('foreign');
      await page.getByTestId('menu').click();
      await page.getByTestId('filter-more').click();
      await shot('list');
      expect(complaints).toEqual([]);
    });
  }
});
