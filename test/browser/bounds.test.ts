import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { choose, lines, seeLine, sharePage } from './page.fixture.ts';
import { Emitter } from './traffic.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

it('output that says "do this two thousand million times" does not hang the page of who opens it', async () => {
  const { page, complaints } = await sharePage(gateway);
  const finals = ['S', 'T', 'L', 'M', 'I', 'Z', 'b'];
  const evil = finals.map((final) => `x\x1b[2147483647${final}\x1b[H`).join('');
  const id = await new Emitter(gateway, 'evil').emit({
    cols: 80,
    rows: 24,
    response: `${evil}\x1b[2J\x1b[Hbehind\r\n`,
  });
  await choose(page, id);
  await seeLine(page, 'behind');
  expect(complaints).toEqual([]);
});

it('a terminal of 65,535 columns and rows elsewhere is drawn as far as a page can', async () => {
  const { page, complaints } = await sharePage(gateway);
  const emitter = new Emitter(gateway, 'vast');
  const id = await emitter.emit({ cols: 65_535, rows: 65_535, response: 'here\r\n' });
  await choose(page, id);
  await seeLine(page, 'here');
  await emitter.emit({ cols: 65_000, rows: 65_000, response: 'still here\r\n' });
  await seeLine(page, 'still here');
  expect((await lines(page)).length).toBeLessThanOrEqual(400);
  expect(complaints).toEqual([]);
});
