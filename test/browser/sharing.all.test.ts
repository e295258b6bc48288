// The end of a link while a guest looks: the link has to live until the guest is in. sharing.test.ts opens links that have
// expired before.

import { openContext } from '../support/page.ts';
import { it } from '../support/test.ts';

it('a link that expires while a guest looks says so on the open page', async ({ gateway }) => {
  const { id: session } = await gateway.client.sessions.create({ argv: ['/bin/cat'] });
  const soon = await gateway.client.shares.create({ session, expiresInMs: 8000 });
  const { page } = await openContext();
  await page.goto(soon.url);
  await page.getByTestId('guest-name').fill('Cy');
  await page.getByTestId('guest-enter').click();
  await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
  await page.locator('[data-testid="guest-error"] [data-code="share_expired"]').waitFor();
});
