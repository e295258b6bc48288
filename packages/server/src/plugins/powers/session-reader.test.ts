import { BinnacleError, type MessageInfo, type SessionInfo } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { inAll } from '../../../../../test/support/count.ts';
import { gatedPowers } from './powers.fixture.ts';
import { type IsSeen, type ReadingParts, readingPowers } from './session-reader.ts';

// Against a real gateway, with real sessions and conversations: test/plugins/powers.test.ts.

const RECORDS = [
  { id: 'open', conversation: null, hidden: false },
  { id: 'of-a-conversation', conversation: 'c', hidden: false },
  { id: 'an-agent', conversation: 'c', hidden: true },
  { id: 'hidden', conversation: null, hidden: true },
];
const infoOf = (id: string) =>
  ({ id, name: id, argv: ['a', 'b'], env: 'secret', outputOffset: 3 }) as unknown as SessionInfo;

function parts(messages: readonly Partial<MessageInfo>[] = []): ReadingParts {
  const all = messages.map(
    (one, n): MessageInfo => ({
      id: `m${n}`,
      role: 'user',
      text: '',
      at: n,
      by: { user: 'u', name: 'n' },
      state: 'delivered',
      steer: 'queue',
      run: null,
      ...one,
    }),
  );
  const find = (id: string, isSeen: IsSeen): void => {
    if (!RECORDS.some((one) => one.id === id && isSeen(one))) throw new BinnacleError('session_not_found');
  };
  return {
    sessions: (isSeen) => ({
      list: async () => ({ sessions: RECORDS.filter(isSeen).map(({ id }) => infoOf(id)), next: null }),
      info: async (id) => {
        find(id, isSeen);
        return infoOf(id);
      },
      read: async (id, { offset, maxBytes }) => {
        find(id, isSeen);
        return { text: 'abc', offset: offset ?? maxBytes, nextOffset: 3 };
      },
    }),
    conversations: {
      list: async () => ({ conversations: [], next: null }),
      history: async (_, { before, limit = 50 }) => {
        const end = before === undefined ? all.length : Number(before);
        const begin = Math.max(0, end - limit);
        return { messages: all.slice(begin, end), before: begin === 0 ? null : String(begin) };
      },
    },
  };
}
const gated = (permissions: unknown, messages?: readonly Partial<MessageInfo>[]) =>
  gatedPowers(readingPowers(parts(messages)), permissions);
const idsOf = (answer: unknown): string[] => (answer as { items: { id: string }[] }).items.map(({ id }) => id);
const KEY = 'agent:main:chat:1';

describe('what a plugin may read', () => {
  it('of sessions: those that people see; those of conversations with the grant of conversations, from then on', async () => {
    const one = gated({ readSessions: true });
    expect(idsOf(await one.ask('readSessions', { op: 'list' }))).toEqual(['open']);
    expect(await one.ask('readSessions', { op: 'get', session: 'of-a-conversation' })).toBe('session_not_found');
    expect(await one.ask('readSessions', { op: 'read', session: 'of-a-conversation' })).toBe('session_not_found');
    one.grant({ readSessions: true, readConversations: true });
    expect(idsOf(await one.ask('readSessions', { op: 'list' }))).toEqual(['open', 'of-a-conversation']);
    expect(await one.ask('readSessions', { op: 'get', session: 'of-a-conversation' })).toEqual({
      id: 'of-a-conversation',
      name: 'of-a-conversation',
      command: 'a b',
      outputBytes: 3,
    });
    for (const session of ['an-agent', 'hidden']) {
      expect(await one.ask('readSessions', { op: 'get', session })).toBe('session_not_found');
    }
    expect(await one.ask('readSessions', { op: 'read', session: 'open' })).toEqual({
      text: 'abc',
      from: 16_384,
      next: 3,
    });
    expect(await one.ask('readSessions', { op: 'read', session: 'open', from: 0 })).toMatchObject({ from: 0 });
  });

  it.each([
    ['readSessions', { op: 'list' }],
    ['readSessions', { op: 'get', session: 'open' }],
    ['readSessions', { op: 'read', session: 'open' }],
    ['readConversations', { op: 'list' }],
    ['readConversations', { op: 'messages', key: KEY }],
  ])('is nothing where it was not granted: %s %j', async (method, params) => {
    const other = method === 'readSessions' ? 'readConversations' : 'readSessions';
    for (const permissions of [{}, { [method]: false }, { [other]: true }]) {
      const { ask, decisions } = gated(permissions);
      expect(await ask(method, params)).toBe('permission_denied');
      expect(decisions.map(({ outcome }) => outcome)).toEqual(['denied']);
    }
  });

  it.each([
    ['readSessions', { op: 'write', session: 'open' }],
    ['readSessions', { op: 'read', session: '../open' }],
    ['readSessions', { op: 'read', session: 'open', from: -1 }],
    ['readSessions', { op: 'read', session: 'open', maxBytes: 1e9 }],
    ['readSessions', { op: 'list', limit: 1e9 }],
    ['readSessions', null],
    ['readConversations', { op: 'messages' }],
    ['readConversations', { op: 'messages', key: 'a\nb' }],
    ['readConversations', { op: 'messages', key: KEY, limit: 0 }],
    ['readConversations', { op: 'send', key: KEY }],
  ])('is not asked for by %s %j', async (method, params) => {
    expect(await gated({ readSessions: true, readConversations: true }).ask(method, params)).toBe('bad_request');
  });

  it('of conversations: messages, newest first, page by page', async () => {
    const { ask } = gated(
      { readConversations: true },
      Array.from({ length: 5 }, () => ({})),
    );
    const first = (await ask('readConversations', { op: 'messages', key: KEY, limit: 3 })) as { next: string };
    expect(idsOf(first)).toEqual(['m4', 'm3', 'm2']);
    const rest = await ask('readConversations', { op: 'messages', key: KEY, limit: 3, before: first.next });
    expect(idsOf(rest)).toEqual(['m1', 'm0']);
    expect(rest).toMatchObject({ next: null, items: [{ role: 'user', by: 'n', at: 1 }, {}] });
    expect(await ask('readConversations', { op: 'messages', key: 'no key' })).toBe('conversation_not_found');
  });

  it('of conversations: long messages come in smaller pages, and none is left out', async () => {
    const messages = Array.from({ length: 9 }, (_, n) => ({ text: `${n}${'\u0001'.repeat(50_000)}` }));
    const { ask } = gated({ readConversations: true }, messages);
    const found: string[] = [];
    let before: string | null | undefined;
    for (let pages = 0; pages < 10 && before !== null; pages += 1) {
      const params = { op: 'messages', key: KEY, ...(before === undefined ? {} : { before }) };
      const page = (await ask('readConversations', params)) as { next: string | null };
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(1024 * 1024);
      found.push(...idsOf(page));
      before = page.next;
    }
    expect(found).toEqual(['m8', 'm7', 'm6', 'm5', 'm4', 'm3', 'm2', 'm1', 'm0']);
  });

  it('of conversations: a message that alone is too long is cut', async () => {
    const { ask } = gated({ readConversations: true }, [{ text: '\u0001'.repeat(400_000) }]);
    const page = (await ask('readConversations', { op: 'messages', key: KEY })) as { items: { text: string }[] };
    expect(page.items[0]?.text).toHaveLength(128 * 1024 + 1);
    expect(page.items[0]?.text.endsWith('…')).toBe(true);
  });

  it('is not looked at where nothing is granted, whatever was sent', async () => {
    const many = { op: 'list', ...Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 0])) };
    for (const method of ['readSessions', 'readConversations']) {
      for (const params of [many, null, { op: 'nothing' }, { op: 'get', session: 7 }]) {
        expect(await gated({}).ask(method, params)).toBe('permission_denied');
      }
      const { code, message } = await gated({ [method]: true }).refusal(method, many);
      expect([code, message.length < 300]).toEqual(['bad_request', true]);
    }
  });

  inAll('has a pace', async () => {
    const { ask } = gated({ readSessions: true });
    const answers = await Promise.all(Array.from({ length: 600 }, () => ask('readSessions', { op: 'list' })));
    expect(answers.filter((answer) => answer === 'plugin_busy').length).toBeGreaterThan(150);
  });
});
