// Casts of real full-screen programs: drawn from the cast they show what a live viewer's terminal shows.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import headless from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { eventsOf, exported, imported } from './recordings.fixture.ts';

const { Terminal } = headless;
type Emulator = InstanceType<typeof Terminal>;

let gateway: Gateway;
let file: string;
beforeAll(async () => {
  gateway = await openGateway();
  file = join(gateway.dir, 'text.txt');
  const lines = Array.from(
    { length: 300 },
    (_, i) => `${i} zażółć gęślą jaźń 漢字かな 👩‍🚀 e\u0301 ${'·'.repeat(i % 60)}`,
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
});
afterAll(() => gateway.close());

const makeTerminal = (cols: number, rows: number): Emulator => new Terminal({ cols, rows, allowProposedApi: true });
const draw = (terminal: Emulator, data: string | Uint8Array): Promise<void> =>
  new Promise((resolve) => terminal.write(data, resolve));

/** Every cell with its colours, and the cursor. */
function screenOf(terminal: Emulator): unknown {
  const { active } = terminal.buffer;
  const rows = Array.from({ length: terminal.rows }, (_, y) => {
    const line = active.getLine(active.baseY + y);
    return Array.from({ length: terminal.cols }, (_, x) => {
      const cell = line?.getCell(x);
      return [cell?.getChars(), cell?.getFgColor(), cell?.getBgColor(), cell?.isBold(), cell?.isInverse()].join('|');
    }).join('\n');
  });
  return { rows, cursor: [active.cursorX, active.cursorY], type: active.type, size: [terminal.cols, terminal.rows] };
}

const textOf = (terminal: Emulator): string =>
  Array.from({ length: terminal.rows }, (_, y) =>
    terminal.buffer.active.getLine(terminal.buffer.active.baseY + y)?.translateToString(true),
  ).join('\n');

/** As a viewer that is there from the beginning sees it. */
async function watch(id: string) {
  const terminal = makeTerminal(80, 24);
  const attachment = gateway.client.session(id).attach('start');
  const done = (async () => {
    for await (const event of attachment) {
      if (event.type === 'output') await draw(terminal, event.bytes);
      if (event.type === 'resize') terminal.resize(event.data.cols, event.data.rows);
    }
  })();
  return { terminal, stop: () => attachment.return(), done };
}

async function replay(cast: string): Promise<Emulator> {
  const { term } = JSON.parse(cast.split('\n', 1)[0] ?? '') as { term: { cols: number; rows: number } };
  const terminal = makeTerminal(term.cols, term.rows);
  for (const [, code, data] of eventsOf(cast)) {
    if (code === 'o') await draw(terminal, data);
    const [cols = 0, rows = 0] = data.split('x').map(Number);
    if (code === 'r') terminal.resize(cols, rows);
  }
  return terminal;
}

describe('the cast of a full-screen program', () => {
  it.each([
    [
      'vim',
      ['vim', '-u', 'NONE', '-i', 'NONE', '-N'],
      ['100Gzz', ':set number\r', 'ohello 漢字 é\x1b', ':sp\r'],
      'hello 漢字',
    ],
    ['less', ['less', '-N'], ['G', '50g', '/gęślą\r', ' '], 'gęślą'],
  ])('%s', async (_, argv, keys, shown) => {
    const { id } = await gateway.client.sessions.create({
      argv: [...argv, file],
      cols: 90,
      rows: 28,
      env: { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
    });
    const session = gateway.client.session(id);
    const live = await watch(id);
    await until('it has drawn', () => textOf(live.terminal).includes('zażółć'));
    for (const key of keys) await session.write(key);
    await until('it shows what was typed', () => textOf(live.terminal).includes(shown));
    await session.resize(101, 33);
    await until('it has drawn all rows', async () => {
      const cast = await exported(gateway, id);
      const screen = screenOf(live.terminal);
      return live.terminal.cols === 101 && JSON.stringify(screenOf(await replay(cast))) === JSON.stringify(screen);
    });
    const cast = await exported(gateway, id);
    expect(
      eventsOf(cast)
        .filter(([, code]) => code === 'r')
        .map(([, , data]) => data),
    ).toEqual(['101x33']);
    const screen = screenOf(live.terminal);
    expect(screenOf(await replay(cast))).toEqual(screen);
    // Once more, by way of an import.
    const again = await imported(gateway, cast);
    expect(screenOf(await replay(await exported(gateway, again.session.id)))).toEqual(screen);
    expect(textOf(live.terminal)).toContain(shown);
    await live.stop();
    await live.done;
    await gateway.client.sessions.delete(id);
  });
});
