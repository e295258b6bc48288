// The limit of what a page holds of a session's output. history-loader.test.ts and session-notices.test.ts prove the same
// limit and its notice without a browser.

import { openPage } from '../support/page.ts';
import { expect, it } from '../support/test.ts';
import { until } from '../support/until.ts';
import { choose, lines, seeLine } from './page.fixture.ts';

it('more is kept than a page may hold: it says so, and leads further back', async ({ gateway }) => {
  // So wide that few lines are much to hold.
  const { id } = await gateway.client.sessions.create({
    command: `seq -f 'n %05.0f' 1 40000; echo all-done; read stop`,
    cols: 1000,
  });
  await until('all of it is there', async () => (await gateway.client.sessions.get(id)).outputOffset > 350_000);
  const { page, complaints } = await openPage(gateway);
  await choose(page, id);
  await seeLine(page, 'all-done');
  const first = async (): Promise<number> =>
    Number((await lines(page)).flatMap((line) => /^n (\d+)/.exec(line)?.[1] ?? [])[0]);
  await page.getByTestId('terminal').click();
  await until(
    'the limit is reached',
    async () => {
      for (let at = 0; at < 20; at += 1) await page.keyboard.press('Shift+PageUp');
      return (await page.getByTestId('session-view').getAttribute('data-above')) === 'far';
    },
    60_000,
  );
  await until('the first line is seen', async () => {
    await page.keyboard.press('Shift+PageUp');
    return (await first()) < 39_000;
  });
  const topRow = await first();
  await page.locator('[data-about="earlier"]').getByText('Older output is kept').waitFor();
  await page.getByTestId('notice-earlier-act').click();
  await page.locator('[data-testid="notice"][data-about="place"]').waitFor();
  await until('what is before it is seen', async () => (await first()) < topRow);
  expect(complaints).toEqual([]);
}, 90_000);
