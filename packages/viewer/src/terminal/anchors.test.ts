import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { Anchors, MOST_ANCHORS } from './anchors.ts';

const PIECE = 64 * 1024;
const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));

it('the number of anchors is bounded, and the first and the last remain', async () => {
  const terminal = new Terminal({ cols: 40, rows: 10, scrollback: 5000, allowProposedApi: true });
  const anchors = new Anchors(terminal);
  for (let at = 0; at < 3 * MOST_ANCHORS; at += 1) {
    anchors.rendered(at * PIECE);
    // Pieces that are too near to the last one are not remembered.
    anchors.rendered(at * PIECE + 1);
    await draw(terminal, `line ${at}\r\n`);
    expect(anchors.count).toBeLessThanOrEqual(MOST_ANCHORS);
  }
  expect(terminal.markers.length).toBe(anchors.count);
  expect(anchors.count).toBeGreaterThan(MOST_ANCHORS / 4);
  expect(anchors.oldest).toMatchObject({ offset: 0, marker: { line: 0 } });
});

it('anchors of lines that left the top are dropped: the oldest is the first that remains', async () => {
  const terminal = new Terminal({ cols: 40, rows: 10, scrollback: 50, allowProposedApi: true });
  const anchors = new Anchors(terminal);
  for (let at = 0; at < 100; at += 1) {
    anchors.rendered(at * PIECE);
    await draw(terminal, `line ${at}\r\n`);
  }
  const { oldest } = anchors;
  expect(oldest?.marker.line).toBe(0);
  expect(oldest?.offset).toBe(41 * PIECE);
});
