// Conversations in the page, as a person has them: begin one, write, and see what is said. Knows no test.

import type { Locator, Page } from 'playwright-core';

/** Begins a conversation and waits until one can write in it. Returns its key. */
export async function startConversation(page: Page): Promise<string> {
  const before = await page.getByTestId('conversation-view').count();
  const old = before === 0 ? '' : await page.getByTestId('conversation-view').getAttribute('data-conversation');
  // On a phone the list, with the other one of the two, is a drawer.
  await page.locator('[data-testid$="new-conversation"]:visible').first().click();
  await page.locator(`[data-phase="live"]:not([data-conversation="${old}"])`).waitFor();
  await composer(page).waitFor();
  return (await page.getByTestId('conversation-view').getAttribute('data-conversation')) ?? '';
}

/** Shows a conversation that is there, and waits until its past is drawn. */
export async function openConversation(page: Page, key: string): Promise<void> {
  await page.locator(`[data-testid="conversation"][data-conversation="${key}"]`).click();
  await caughtUp(page);
}

export const caughtUp = (page: Page): Promise<void> =>
  page.locator('[data-testid="conversation-view"][data-phase="live"]').waitFor();

export const composer = (page: Page): Locator => page.getByTestId('composer');

/** Writes a message and sends it, as from the keyboard; resolves when the gateway has it. */
export async function write(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press('Enter');
  await page.waitForFunction(
    () => document.querySelector<HTMLTextAreaElement>('[data-testid="composer"]')?.value === '',
  );
}

export const answers = (page: Page): Locator => page.getByTestId('answer');

/** The answer that came last. */
export const answer = (page: Page): Locator => answers(page).last();

/** The text of the last answer as it is shown, without who and when. */
export const answerText = (page: Page): Promise<string> =>
  answer(page)
    .locator('.prose')
    .allInnerTexts()
    .then((texts) => texts.join('\n'));

/** Waits until the last answer is in that state. */
export async function ended(page: Page, state: 'final' | 'error' | 'aborted'): Promise<void> {
  await page.locator(`[data-testid="conversation-view"][data-working="false"]`).waitFor({ timeout: 15_000 });
  await page
    .locator('[data-testid="answer"]')
    .last()
    .and(page.locator(`[data-state="${state}"]`))
    .waitFor();
}

/** Until there are so many messages in the queue. */
export async function waiting(page: Page, count: number): Promise<Locator> {
  const queued = page.getByTestId('queued');
  if (count === 0) await page.getByTestId('queue').waitFor({ state: 'detached' });
  else await queued.nth(count - 1).waitFor();
  return queued;
}
