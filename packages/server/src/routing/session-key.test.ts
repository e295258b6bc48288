import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agentSessionKey,
  createRouter,
  type DmScope,
  groupHistoryKey,
  isUnscopedKey,
  keyShape,
  type Peer,
  parseSessionKey,
  parseThreadKey,
  type RoutingConfig,
  specialKey,
  threadKeys,
} from './index.ts';

const keyOf = (peer: Peer | null, session: RoutingConfig['session'] = {}, channel = 'x'): string =>
  createRouter({ session }).resolve({ channel, accountId: 'acc', peer }).sessionKey;
const ada: Peer = { kind: 'direct', id: ' AdA ' };

describe('the session key', () => {
  it.each<[DmScope, string]>([
    ['main', 'agent:main:main'],
    ['per-peer', 'agent:main:direct:ada'],
    ['per-channel-peer', 'agent:main:x:direct:ada'],
    ['per-account-channel-peer', 'agent:main:x:acc:direct:ada'],
  ])('of a person with the scope %s is %s', (dmScope, key) => {
    expect(keyOf(ada, { dmScope })).toBe(key);
    expect(keyOf({ ...ada, kind: 'dm' }, { dmScope })).toBe(key);
  });

  it('without a peer is the main key, which has the name that the config gives it', () => {
    expect(keyOf(null, { dmScope: 'per-peer', mainKey: ' Home ' })).toBe('agent:main:home');
    expect(keyOf(null, { mainKey: ' ' })).toBe('agent:main:main');
  });

  it('of a room is its own, or the main one', () => {
    expect(keyOf({ kind: 'Group', id: 'G' })).toBe('agent:main:x:group:g');
    expect(keyOf({ kind: 'channel', id: 'G' })).toBe('agent:main:x:channel:g');
    expect(keyOf({ kind: 'group', id: 'G' }, { groupScope: 'main' })).toBe('agent:main:main');
    expect(keyOf({ kind: 'Thread', id: 'G' })).toBe('agent:main:x:Thread:g');
  });

  it('never loses a part: what is empty is called unknown', () => {
    expect(keyOf({ kind: 'channel', id: '  ' })).toBe('agent:main:x:channel:unknown');
    expect(keyOf({ kind: 'direct', id: '' }, { dmScope: 'per-peer' })).toBe('agent:main:direct:unknown');
    expect(keyOf({ kind: 'group', id: '1' }, {}, ' ')).toBe('agent:main:unknown:group:1');
  });

  it('keeps the case of rooms that differ by nothing else: those of Signal and of Matrix', () => {
    expect(keyOf({ kind: 'group', id: 'AbC=' }, {}, 'Signal')).toBe('agent:main:signal:group:AbC=');
    expect(keyOf({ kind: 'channel', id: 'AbC=' }, {}, 'signal')).toBe('agent:main:signal:channel:abc=');
    expect(keyOf({ kind: 'channel', id: '!AbC' }, {}, 'matrix')).toBe('agent:main:matrix:channel:!AbC');
    expect(keyOf({ kind: 'group', id: '!AbC' }, {}, 'matrix')).toBe('agent:main:matrix:group:!AbC');
    expect(keyOf(ada, { dmScope: 'per-peer' }, 'matrix')).toBe('agent:main:direct:ada');
  });

  it('is one for all the ids of a person that are linked, and the first name has an id', () => {
    const per = (identityLinks: Record<string, string[]>, peer: Peer = ada, dmScope: DmScope = 'per-peer') =>
      keyOf(peer, { dmScope, identityLinks });
    expect(per({ ' Lovelace ': ['ADA '] })).toBe('agent:main:direct:lovelace');
    expect(per({ Lovelace: ['x:ada'] })).toBe('agent:main:direct:lovelace');
    expect(per({ Lovelace: ['y:ada'] })).toBe('agent:main:direct:ada');
    expect(per({ B: ['x:ada'], A: ['ada'] })).toBe('agent:main:direct:b');
    expect(per({ ' ': ['ada'], A: ['ada'] })).toBe('agent:main:direct:a');
    expect(per({ A: ['ada'] }, ada, 'main')).toBe('agent:main:main');
    expect(per({ A: ['room'] }, { kind: 'group', id: 'room' })).toBe('agent:main:x:group:room');
    expect(per({ A: 'ada' as never, B: [5 as never, 'ada'] })).toBe('agent:main:direct:b');
  });

  it('of a room without an agent is for its history', () => {
    expect(groupHistoryKey({ channel: 'X', accountId: 'A b', peer: { kind: 'group', id: ' G ' } })).toBe(
      'x:a-b:group:g',
    );
    expect(groupHistoryKey({ channel: '', peer: { kind: 'channel', id: '' } })).toBe('unknown:default:channel:unknown');
  });
});

describe('a session key that is taken apart', () => {
  it.each([
    ['agent:a:main', 'a', 'main'],
    [' AGENT:A b:Main ', 'a b', 'main'],
    ['agent:a:signal:group:AbC', 'a', 'signal:group:AbC'],
    ['agent:a:Matrix:Channel:!AbC:srv', 'a', 'matrix:channel:!AbC:srv'],
    ['agent:a:dm:X', 'a', 'dm:x'],
  ])('%s is of the agent %s and goes on with %s', (key, agentId, rest) => {
    expect(parseSessionKey(key)).toEqual({ agentId, rest });
    expect(keyShape(key)).toBe('agent');
  });

  it.each([
    ['agent:x', 'malformed'],
    ['agent::x', 'malformed'],
    ['agent:a::x', 'malformed'],
    ['agent:a: ', 'malformed'],
    ['', 'missing'],
    ['  ', 'missing'],
    [null, 'missing'],
    ['main', 'alias'],
  ])('%j is none: %s', (key, shape) => {
    expect(parseSessionKey(key)).toBeUndefined();
    expect(keyShape(key)).toBe(shape);
  });

  it('gives its parts back whatever ids it was made of', () => {
    const id = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.trim() !== '');
    fc.assert(
      fc.property(id, fc.constantFrom('group', 'channel', 'direct'), (text, kind) => {
        const key = keyOf({ kind, id: text }, { dmScope: 'per-channel-peer' });
        expect(parseSessionKey(key)?.agentId).toBe('main');
        expect(agentSessionKey('other', key)).toBe(key);
      }),
    );
  });

  it('is made of a short name once, however often', () => {
    expect(agentSessionKey('A', ' ')).toBe('agent:a:main');
    expect(agentSessionKey('A', 'MAIN', 'Home')).toBe('agent:a:home');
    expect(agentSessionKey('A', 'Subagent:X')).toBe('agent:a:subagent:x');
    expect(agentSessionKey('A', 'agent:b:x')).toBe('agent:b:x');
  });

  it('tells what it is for', () => {
    expect(specialKey('agent:a:cron:j')).toEqual({ kind: 'cron', job: 'j', run: undefined });
    expect(specialKey('agent:a:CRON:j:run:7')).toEqual({ kind: 'cron', job: 'j', run: '7' });
    expect(specialKey('agent:a:subagent:x:subagent:y')).toEqual({ kind: 'subagent', depth: 2 });
    expect(specialKey('acp:x')).toEqual({ kind: 'acp' });
    expect(specialKey('agent:a:dashboard:x')).toEqual({ kind: 'dashboard' });
    expect([specialKey('agent:a:main'), specialKey('cron'), specialKey('agent:a:cron:')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([isUnscopedKey('global'), isUnscopedKey('unknown'), isUnscopedKey('agent:a:main')]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('the key of a thread', () => {
  it('stands behind that of its conversation, and names the parent', () => {
    expect(threadKeys({ sessionKey: 'agent:a:b', threadId: ' T1 ', parentSessionKey: 'p' })).toEqual({
      sessionKey: 'agent:a:b:thread:t1',
      parentSessionKey: 'p',
    });
    expect(threadKeys({ sessionKey: 'agent:a:b', threadId: 'T1', normalise: (id) => id })).toEqual({
      sessionKey: 'agent:a:b:thread:T1',
    });
    expect(threadKeys({ sessionKey: 'agent:a:b', threadId: ' ', parentSessionKey: 'p' })).toEqual({
      sessionKey: 'agent:a:b',
    });
  });

  it('is divided at its last :thread:, and a topic is no thread', () => {
    expect(parseThreadKey('agent:a:b:thread:x:Thread:Y')).toEqual({ base: 'agent:a:b:thread:x', threadId: 'Y' });
    expect(parseThreadKey('agent:a:b:thread: ')).toEqual({ base: 'agent:a:b', threadId: undefined });
    expect(parseThreadKey('agent:a:x:group:-1:topic:5').threadId).toBeUndefined();
  });
});
