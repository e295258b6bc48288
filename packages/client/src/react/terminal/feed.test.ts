import { expect, it } from 'vitest';
import { TerminalFeed } from './feed.ts';

const MIB = 1024 * 1024;

/** An emulator that draws on request. */
function emulator() {
  const waiting: { readonly bytes: number; readonly rendered: (() => void) | undefined }[] = [];
  const sizes: number[] = [];
  return {
    sizes,
    write: (data: string | Uint8Array, rendered?: () => void): void => {
      waiting.push({ bytes: data.length, rendered });
      sizes.push(data.length);
    },
    /** All but so many writes. */
    draw: (left = 0): void => {
      for (const { rendered } of waiting.splice(0, waiting.length - left)) rendered?.();
    },
  };
}

it('a flood goes in small pieces, and waits above 1 MiB until most of that is drawn', async () => {
  const terminal = emulator();
  const feed = new TerminalFeed(terminal);
  const rendered: string[] = [];
  expect(feed.write(new Uint8Array(MIB), () => rendered.push('all'))).toBeUndefined();
  expect(Math.max(...terminal.sizes)).toBe(16 * 1024);
  expect(terminal.sizes.reduce((sum, size) => sum + size)).toBe(MIB);
  const room = feed.write(new Uint8Array(1), () => rendered.push('more'));
  expect(room).toBeInstanceOf(Promise);
  let isRoom = false;
  void room?.then(() => {
    isRoom = true;
  });
  await Promise.resolve();
  expect(isRoom).toBe(false);
  // All but the last piece, whose callback reports the first write.
  terminal.draw(2);
  expect(rendered).toEqual([]);
  terminal.draw(1);
  await room;
  expect(rendered).toEqual(['all']);
});

it('no promise waits for a terminal after its end', async () => {
  const terminal = emulator();
  const feed = new TerminalFeed(terminal);
  const room = feed.write(new Uint8Array(MIB + 1), () => undefined);
  feed.stop();
  await room;
  await feed.settled();
  const { length } = terminal.sizes;
  expect(feed.write(new Uint8Array(MIB + 1), () => undefined)).toBeUndefined();
  expect(terminal.sizes).toHaveLength(length);
});
