import type { ConversationKey } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { addressOf, isSameRoute, parseRoute, type Route, rowRoute, unknownKindOf } from './route.ts';

const session: Route = { kind: 'session', id: '0199f2aa-0000-7000-8000-000000000001' };
const odd: Route = { kind: 'conversation', key: 'agent:main:user:a/b#c %ü' as ConversationKey };

const others: readonly Route[] = [
  { ...session, at: 12_345_678 },
  { kind: 'search', q: 'a "b c" -d* & #/?=%ü' },
  { kind: 'search', q: '', session: 's@1/2' },
  { kind: 'search', q: 'x', source: 'mcp_core' },
  { kind: 'traffic', filter: {} },
  { kind: 'recordings' },
  { kind: 'plugins' },
  { kind: 'tokens' },
  {
    kind: 'traffic',
    filter: { source: 'ci', label: 'k=v w', command: 'a&b', session: 's', exit: -1, final: true, hours: 24 },
  },
];

it('routes of an offset, a search and the remote programs survive the address with all parameters', () => {
  for (const route of others) expect(parseRoute(addressOf(route))).toEqual(route);
});

it('unknown parameters of an address are left out', () => {
  const { id } = session as { id: string };
  for (const at of ['', '?at=', '?at=-1', '?at=1e9', '?at=x', '?at=9999999999999999', '?x=1'])
    expect(parseRoute(`#/${id}${at}`)).toEqual(session);
  expect(parseRoute('#/traffic?exit=x&hours=-4&hours=0&final=2&colour=red&source=%20')).toEqual({
    kind: 'traffic',
    filter: {},
  });
});

it('a session is one row of the list, whatever offset is shown', () => {
  expect(rowRoute({ ...session, at: 5 } as Route)).toEqual(session);
  expect(rowRoute(odd)).toBe(odd);
});

it('a route survives the address, whatever is in the key', () => {
  for (const route of [session, odd]) {
    expect(parseRoute(addressOf(route))).toEqual(route);
    expect(isSameRoute(route, parseRoute(addressOf(route)))).toBe(true);
  }
  expect(addressOf(odd)).not.toMatch(/[ #/]\S*[ #]/);
  expect(isSameRoute(session, odd)).toBe(false);
});

it('an address that names nothing has no route', () => {
  for (const hash of ['', '#', '#/', '#/x', '#/c/', '#/c/main', '#/c/%', '#ticket=x', '#/c/agent:main:\n']) {
    expect(parseRoute(hash)).toBeUndefined();
  }
});

it('an invalid address is distinguished from an empty one', () => {
  for (const hash of ['#/nope', '#/0199f2aa', '#/searches']) expect(unknownKindOf(hash)).toBe('session');
  for (const hash of ['#/c/', '#/c/main', '#/c/%']) expect(unknownKindOf(hash)).toBe('conversation');
  for (const hash of ['', '#', '#/', '#ticket=x', ...[session, odd, ...others].map(addressOf)])
    expect(unknownKindOf(hash)).toBeUndefined();
});
