import { expect, test } from 'vitest';
import { dependentsText, expiryText, factsOf, makerText } from './format.ts';

const issued = { tokens: [], logins: [], shares: [], links: 0 };

test('a token names its maker, and its user if that is another person', () => {
  expect(makerText({ madeBy: { id: 'admin', name: 'admin', user: 'admin' } })).toBe('made by admin');
  expect(makerText({ madeBy: { id: 'x', name: 'laptop', user: 'ann' } })).toBe('made by laptop (ann)');
  expect(makerText({ madeBy: { id: 'x', name: 'laptop', user: 'token-0-1' } })).toBe('made by laptop');
  expect(makerText({ madeBy: null })).toBe('made before that was kept');
});

test('its row has the maker, the time, the end and the user', () => {
  const token = {
    ...({ id: 'x', name: 'x', scope: 'view', kind: 'token', createdAt: 0, expiresAt: null, lastUsed: null } as const),
    madeBy: { id: 'admin', name: 'admin', user: 'admin' },
  };
  expect(factsOf({ ...token, user: 'ann' }, 0)).toBe('made by admin just now · no end · user ann');
  expect(factsOf({ ...token, user: 'token-0-1' }, 3600_000)).toBe('made by admin 1 h ago · no end');
});

test('its end is described', () => {
  expect(expiryText({ expiresAt: null }, 0)).toBe('no end');
  expect(expiryText({ expiresAt: 3600_000 }, 0)).toBe('ends in 1 h');
  expect(expiryText({ expiresAt: 1 }, 2)).toBe('has ended');
});

test('everything that ends with it is counted', () => {
  expect(dependentsText(issued)).toBe('');
  expect(dependentsText({ ...issued, links: 2 })).toBe('2 unused login links');
  const share = { id: 's', label: '', kind: 'session', mode: 'view', expiresAt: 1 } as const;
  expect(dependentsText({ ...issued, shares: [share], links: 1 })).toBe('1 share link and 1 unused login link');
});
