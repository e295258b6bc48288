import { afterEach, expect, it } from 'vitest';
import { IndexFixture } from '../search/index.fixture.ts';

let open: IndexFixture | undefined;
afterEach(async () => await open?.close());

const DAY_MS = 24 * 3600_000;
/** Of the 9 June 2025: its first 48 bits are ms since 1970. */
const ID = '01976db0-0000-7000-8000-00000000000a';
const BORN = 0x0197_6db0_0000;

it('what a recording of long ago holds is found, and kept as long as what came on the same day', async () => {
  open = new IndexFixture({ retainMs: 30 * DAY_MS });
  open.now = BORN - 1000 * DAY_MS;
  open.append(ID, 'a needle of before\r\n');
  open.report({ isFinal: true });
  await open.parts.catchUp();
  const sweep = (now: number): void => {
    open?.parts.retention.checkSoon();
    while (open?.parts.retention.step(now));
  };
  sweep(BORN + 29 * DAY_MS);
  expect(await open.parts.search('needle')).toMatchObject([{ time: BORN }]);
  sweep(BORN + 31 * DAY_MS);
  expect(await open.parts.search('needle')).toEqual([]);
});
