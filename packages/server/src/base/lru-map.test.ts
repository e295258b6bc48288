import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LruMap } from './lru-map.ts';

it('has the most recently used entries, in order of use, whatever is done with it', () => {
  const key = fc.integer({ min: 0, max: 8 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }),
    fc.record({ do: fc.constantFrom('get' as const, 'peek' as const, 'delete' as const), key }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step), (max, steps) => {
      const evicted: [number, number][] = [];
      const map = new LruMap<number, number>(max, { evicted: (value, key) => evicted.push([key, value]) });
      let model: [number, number][] = [];
      const expected: [number, number][] = [];
      for (const one of steps) {
        const found = model.find(([key]) => key === one.key);
        const others = model.filter((entry) => entry !== found);
        if (one.do === 'set') {
          map.set(one.key, one.value);
          model = [...others, [one.key, one.value]];
          if (model.length > max) expected.push(...model.splice(0, 1));
        } else if (one.do === 'delete') {
          expect(map.delete(one.key)).toBe(found !== undefined);
          model = others;
        } else {
          expect(one.do === 'get' ? map.get(one.key) : map.peek(one.key)).toBe(found?.[1]);
          if (one.do === 'get' && found !== undefined) model = [...others, found];
        }
        expect([...map]).toEqual(model);
        expect(map.size).toBe(model.length);
      }
      expect(evicted).toEqual(expected);
    }),
  );
});

it('pinned entries stay, above the maximum if there are that many', () => {
  const map = new LruMap<string, { isUsed: boolean }>(2, { isPinned: ({ isUsed }) => isUsed });
  const [a, b, c] = [{ isUsed: true }, { isUsed: true }, { isUsed: true }];
  map.set('a', a);
  map.set('b', b);
  map.set('c', c);
  expect([...map.keys()]).toEqual(['a', 'b', 'c']);
  b.isUsed = false;
  map.set('d', { isUsed: false });
  expect([...map.keys()]).toEqual(['a', 'c']);
});
