// Recordings on the page: asciicast files are chosen and dropped, played, found in the list, and saved as files again.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { seeLine, sharePage } from './page.fixture.ts';

let gateway: Gateway;
const folder = mkdtempSync(join(tmpdir(), 'binnacle-casts-'));
beforeAll(async () => {
  gateway = await openGateway({ maxRecordingBytes: 1024 * 1024 });
});
afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

const HEADER = {
  ...{ version: 3, term: { cols: 60, rows: 12 }, timestamp: 1_700_000_000, title: 'How it was' },
  command: 'for sounding in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1; echo done; done',
};
const cast = (...events: readonly (readonly unknown[])[]): string =>
  [HEADER, ...events].map((line) => `${JSON.stringify(line)}\n`).join('');

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Clicks on what saves, and returns what was saved. */
async function saved(page: Page, form: string): Promise<{ readonly name: string; readonly text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId(`export-${form}`).click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
}

it('a recording is imported, reported, opened, and exported again unchanged', async () => {
  const { page, complaints } = await sharePage(gateway);
  await page.getByTestId('sidebar-recordings').click();
  await page.getByTestId('recordings-none').waitFor();
  const events = [
    [0.5, 'o', 'first words\r\n'],
    [1.25, 'i', 'secret'],
    [2, 'o', 'last words\r\n'],
    [61, 'x', '3'],
  ] as const;
  await page.getByTestId('import-file').setInputFiles(file('demo.cast', cast(...events)));
  const done = page.locator('[data-testid="import"][data-state="done"]');
  await done.waitFor();
  // What was left out is said.
  expect(await done.innerText()).toContain('what was typed was left out (1 event)');
  const row = page.getByTestId('recording');
  await row.waitFor();
  expect(await row.innerText()).toMatch(/How it was[\s\S]*1 min 05 s/);

  await done.getByTestId('import-open').click();
  await seeLine(page, 'last words');
  expect(await page.locator('[data-recording="true"]').innerText()).toContain('A recording');
  expect(await page.getByTestId('lease').count()).toBe(0);
  // Its row says what it is, in letters that can be read: where it is narrow, the command beside it gives way.
  const kind = page.locator('[data-testid="session"] .session-source');
  expect(await kind.getAttribute('title')).toBe('A recording');
  expect(await kind.innerText()).toBe('recording');
  const cut = await kind.locator('.session-source-name').evaluate((it) => {
    const range = document.createRange();
    range.selectNodeContents(it);
    return range.getBoundingClientRect().width - it.getBoundingClientRect().width;
  });
  expect(cut).toBeLessThanOrEqual(0);
  // It is there to be played: its timeline stands below it.
  await page.getByTestId('replay-play').waitFor();

  await page.getByTestId('export').click();
  const again = await saved(page, 'cast');
  expect(again.name).toBe('How-it-was.cast');
  const [header, ...rest] = again.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(header).toMatchObject({ version: 3, term: { cols: 60, rows: 12 }, title: 'How it was' });
  expect(rest).toEqual([
    [0.5, 'o', 'first words\r\n'],
    [3.25, 'o', 'last words\r\n'],
    [61, 'x', '3'],
  ]);
  expect((await saved(page, 'text')).text).toBe('first words\nlast words\n');
  expect((await saved(page, 'markdown')).text).toContain('first words');
  expect(JSON.parse((await saved(page, 'jsonl')).text.split('\n')[0] ?? '')).toMatchObject({ kind: 'session' });
  expect(complaints).toEqual([]);
});

it('typed text is stored and exported if both are requested; several files are imported one after the other, also by drop', async () => {
  const { page } = await sharePage(gateway);
  await page.goto(`${gateway.url}/#/recordings`);
  await page.getByTestId('import-input').check();
  await page.getByTestId('drop').evaluate(
    (place, texts) => {
      const data = new DataTransfer();
      for (const [at, text] of texts.entries()) data.items.add(new File([text], `dropped-${at}.cast`));
      place.dispatchEvent(new DragEvent('dragover', { dataTransfer: data, bubbles: true, cancelable: true }));
      place.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    },
    [1, 2, 3].map((at) => cast([0.1, 'i', 'typed'], [0.2, 'o', `dropped ${at}\r\n`])),
  );
  await page.locator('[data-testid="import"][data-state="done"]').nth(2).waitFor();
  await page.getByTestId('import-open').last().click();
  await seeLine(page, 'dropped 3');
  await page.getByTestId('export').click();
  expect((await saved(page, 'cast')).text).not.toContain('typed');
  await page.getByTestId('export-input').check();
  expect((await saved(page, 'cast')).text).toContain('"i", "typed"');
});

it('a file that is no recording or too large is refused with a code and not stored', async () => {
  const { page } = await sharePage(gateway);
  await page.goto(`${gateway.url}/#/recordings`);
  const before = (await gateway.client.sessions.list()).sessions.length;
  await page
    .getByTestId('import-file')
    .setInputFiles([
      file('broken.cast', `${cast([0.1, 'o', 'x'])}this is no event\n${cast()}`),
      file('large.cast', cast([0.1, 'o', 'x'.repeat(1_100_000)])),
    ]);
  const failed = page.locator('[data-testid="import"][data-state="failed"]');
  await failed.nth(1).waitFor();
  await failed.first().locator('[data-code="bad_recording"]').waitFor();
  expect(await failed.first().getByTestId('failure').innerText()).toContain('line 3');
  await failed.nth(1).locator('[data-code="body_too_large"]').waitFor();
  expect((await gateway.client.sessions.list()).sessions.length).toBe(before);
  await failed.first().getByTestId('import-remove').click();
  await failed.nth(1).waitFor({ state: 'detached' });
});
