import { parseEpoch } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import type { FrameHead } from './frame.ts';
import { type BuiltPage, PageBuilder } from './page.ts';
import { PageCache } from './page-cache.ts';

const EPOCH = parseEpoch('0123456789abcdef');
const LARGE = 40 * 1024;
const ENCODED = Symbol('an encoding');

describe('page cache', () => {
  const pageOf = (cache: PageCache, fill: number, bytes = LARGE): BuiltPage => {
    const builder = new PageBuilder({ epoch: EPOCH, place: 0, offset: 0 });
    const head: FrameHead = {
      kind: 'tty',
      length: bytes,
      time: 0,
      offset: 0,
      place: 0,
      next: bytes + 40,
      nextOffset: bytes,
    };
    builder.take(head, Buffer.alloc(bytes, fill));
    return builder.build(0, true, cache);
  };
  const bufferOf = (page: BuiltPage): ArrayBufferLike | undefined => page.pinnedEntries[0]?.bytes.buffer;
  const encode = (page: BuiltPage): void => void page.once(ENCODED, () => 'encoded');

  it('uses the memory of a page again once it was thrown out and nobody holds it', () => {
    const cache = new PageCache({ maxBytes: 4 * (LARGE + 20_000) });
    const first = pageOf(cache, 1);
    const memory = bufferOf(first);
    cache.set('first', first);
    first.hold();
    encode(first);
    first.release();
    expect(bufferOf(pageOf(cache, 2))).not.toBe(memory);
    const later = Array.from({ length: 6 }, (_, i) => pageOf(cache, 3 + i));
    for (const [i, page] of later.entries()) cache.set(`later ${i}`, page);
    expect(cache.get('first')).toBeUndefined();
    expect(later.map(bufferOf)).not.toContain(memory);
    expect(bufferOf(pageOf(cache, 4))).toBe(memory);
  });

  it('leaves the bytes alone while somebody holds the page, whatever else is read meanwhile', () => {
    const cache = new PageCache({ maxBytes: 4 * (LARGE + 20_000) });
    const pinned = pageOf(cache, 7);
    cache.set('held', pinned);
    pinned.hold();
    pinned.hold();
    encode(pinned);
    pinned.release();
    for (let i = 0; i < 20; i += 1) {
      const page = pageOf(cache, 9);
      cache.set(`later ${i}`, page);
      page.hold();
      encode(page);
      page.release();
    }
    expect(pinned.pinnedEntries[0]?.bytes.every((byte) => byte === 7)).toBe(true);
    pinned.release();
    expect(() => pinned.hold()).toThrow('given back');
    expect(() => pinned.entries).toThrow('given back');
  });

  it('never uses the bytes again of a page that somebody looked at without holding it', () => {
    const cache = new PageCache({ maxBytes: 4 * (LARGE + 20_000) });
    const page = pageOf(cache, 5);
    const { entries } = page;
    page.hold();
    encode(page);
    page.release();
    for (let i = 0; i < 20; i += 1) pageOf(cache, 6);
    expect(entries[0]?.bytes.every((byte) => byte === 5)).toBe(true);
    page.hold();
  });

  it('never uses the bytes again of a page that nobody has encoded: it may be promised to somebody', () => {
    const cache = new PageCache({ maxBytes: 4 * (LARGE + 20_000) });
    const promised = pageOf(cache, 5);
    cache.set('promised', promised);
    for (let i = 0; i < 20; i += 1) cache.set(`later ${i}`, pageOf(cache, 6));
    promised.hold();
    expect(promised.pinnedEntries[0]?.bytes.every((byte) => byte === 5)).toBe(true);
  });

  it('keeps a page that is set again under its key', () => {
    const cache = new PageCache();
    const page = pageOf(cache, 1);
    cache.set('same', page);
    encode(page);
    cache.set('same', page);
    expect(cache.get('same')).toBe(page);
    page.hold();
  });
});
