import { expect, it } from 'vitest';
import { Seeker } from './seek.ts';

/** What a screen would have drawn, with a bar where the place was marked. */
function seeker(at: number): { readonly to: Seeker; readonly rendered: () => string } {
  let rendered = '';
  const screen = {
    write: async (bytes: Uint8Array) => {
      rendered += new TextDecoder().decode(bytes);
    },
    settled: async () => undefined,
    markPlace: () => {
      rendered += '|';
    },
  };
  return { to: new Seeker(at, screen), rendered: () => rendered };
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

it('the offset is marked once, exactly before its byte, wherever chunks end', async () => {
  for (const size of [1, 2, 3, 4, 100]) {
    const { to, rendered } = seeker(104);
    const text = 'one\ntwo\n';
    for (let at = 0; at < text.length; at += size) {
      const chunk = bytes(text.slice(at, at + size));
      expect(await to.draw(100 + at, chunk)).toBe(100 + at + chunk.length);
    }
    expect(rendered()).toBe('one\n|two\n');
    expect(to.mark).toBe(104);
  }
});

it('an offset whose output is gone is marked where output begins', async () => {
  const { to, rendered } = seeker(50);
  await to.draw(100, bytes('first\n'));
  expect([rendered(), to.mark]).toEqual(['|first\n', 100]);
});

it('an offset without output after it is not marked', async () => {
  const { to, rendered } = seeker(106);
  await to.draw(100, bytes('first\n'));
  expect([rendered(), to.mark]).toEqual(['first\n', undefined]);
});

it('drawing stops after the mark, by lines and by bytes, at the same offset whatever the chunks', async () => {
  for (const size of [1000, 64 * 1024]) {
    const { to } = seeker(0);
    const all = bytes('x\n'.repeat(50_000));
    let at = 0;
    for (;;) {
      const end = Math.min(all.length, at + size);
      const read = await to.draw(at, all.subarray(at, end));
      if (read < end) {
        expect(read).toBe(4000);
        break;
      }
      at = end;
    }
  }
  const { to } = seeker(0);
  expect(await to.draw(0, new Uint8Array(1024 * 1024).fill(0x61))).toBe(256 * 1024);
});
