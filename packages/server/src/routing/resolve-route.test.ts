import { describe, expect, it } from 'vitest';
import {
  type Binding,
  createRouter,
  type Peer,
  type RouteInput,
  type RoutingConfig,
  resolveAgentRoute,
} from './index.ts';

const PEER: Peer = { kind: 'direct', id: '1' };
const ROOM: Peer = { kind: 'group', id: 'room' };
const to = (agentId: string, match: Partial<Binding['match']> = {}, more: Partial<Binding> = {}): Binding => ({
  agentId,
  match: { channel: 'x', ...match },
  ...more,
});
/** What tests write on purpose that no type allows. */
const wild = (value: unknown) => value as never;

function ask(bindings: readonly Binding[], input: Partial<RouteInput> = {}, config: RoutingConfig = {}) {
  const cfg = { ...config, bindings };
  const message = { channel: 'x', ...input };
  const route = resolveAgentRoute({ cfg, ...message });
  expect(createRouter(cfg).resolve(message)).toEqual(route);
  return route;
}
const who = (bindings: readonly Binding[], input?: Partial<RouteInput>, config?: RoutingConfig): string => {
  const { agentId, matchedBy } = ask(bindings, input, config);
  return `${agentId} by ${matchedBy}`;
};
const codeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};
const agents = (...ids: string[]): RoutingConfig => ({
  agents: { entries: Object.fromEntries(ids.map((id) => [id, {}])) },
});

describe('a route', () => {
  it('without any config is that of main, with nine fields in their order', () => {
    const route = resolveAgentRoute({ cfg: {}, channel: 'x' });
    expect(Object.entries(route)).toEqual([
      ['agentId', 'main'],
      ['channel', 'x'],
      ['accountId', 'default'],
      ['dmScope', 'main'],
      ['groupScope', 'per-group'],
      ['sessionKey', 'agent:main:main'],
      ['mainSessionKey', 'agent:main:main'],
      ['lastRoutePolicy', 'main'],
      ['matchedBy', 'default'],
    ]);
    expect(resolveAgentRoute({ cfg: null, channel: 'x' })).toEqual(route);
    expect(resolveAgentRoute({ cfg: undefined, channel: 'x' })).toEqual(route);
  });

  it('is frozen and another object each time', () => {
    const cfg = { bindings: [to('a')] };
    const first = resolveAgentRoute({ cfg, channel: 'x' });
    expect(Object.isFrozen(first)).toBe(true);
    expect(() => ((first as { agentId: string }).agentId = 'b')).toThrow(TypeError);
    expect(resolveAgentRoute({ cfg, channel: 'x' })).not.toBe(first);
    expect(resolveAgentRoute({ cfg, channel: 'x' }).agentId).toBe('a');
  });
});

describe('the tiers', () => {
  // Each stands before those below it in the order of precedence, and behind them in the config.
  const ladder: readonly [tier: string, binding: Binding][] = [
    ['binding.channel', to('b-channel', { accountId: '*' })],
    ['binding.account', to('b-account')],
    ['binding.team', to('b-team', { teamId: 't' })],
    ['binding.guild', to('b-guild', { guildId: 'g' })],
    ['binding.guild+roles', to('b-roles', { guildId: 'g', roles: ['r'] })],
    ['binding.peer.wildcard', to('b-wildcard', { peer: { kind: 'direct', id: '*' } })],
    ['binding.peer.parent', to('b-parent', { peer: ROOM })],
    ['binding.peer', to('b-peer', { peer: PEER })],
  ];
  const everything = { peer: PEER, parentPeer: ROOM, guildId: 'g', teamId: 't', memberRoleIds: ['r'] };

  it.each(ladder.map(([tier], at) => [tier, at] as const))(
    'let %s win over all that are weaker, whatever their order',
    (tier, at) => {
      const upTo = ladder.slice(0, at + 1).map(([, binding]) => binding);
      expect(ask(upTo, everything).matchedBy).toBe(tier);
      expect(ask(upTo.toReversed(), everything).matchedBy).toBe(tier);
    },
  );

  it('outrank the account: a peer of every account stands before a guild of this one', () => {
    const bindings = [to('guild', { accountId: 'a', guildId: 'g' }), to('peer', { accountId: '*', peer: PEER })];
    expect(who(bindings, { accountId: 'a', peer: PEER, guildId: 'g' })).toBe('peer by binding.peer');
  });

  it('leave it to the order of the config inside of one: an exact account does not beat an earlier *', () => {
    const any = to('any', { accountId: '*', peer: PEER });
    const exact = to('exact', { accountId: 'a', peer: PEER });
    const input = { accountId: 'a', peer: PEER };
    expect(who([any, exact], input)).toBe('any by binding.peer');
    expect(who([exact, any], input)).toBe('exact by binding.peer');
  });

  it('find the account before the channel, whatever their order', () => {
    expect(who([to('any', { accountId: '*' }), to('exact', { accountId: 'a' })], { accountId: 'a' })).toBe(
      'exact by binding.account',
    );
  });

  it.each([
    ['binding.peer', { peer: PEER }],
    ['binding.peer.parent', { peer: ROOM }],
    ['binding.peer.wildcard', { peer: { kind: 'direct', id: '*' } }],
    ['binding.guild+roles', { guildId: 'g', roles: ['r'] }],
    ['binding.guild', { guildId: 'g' }],
    ['binding.team', { teamId: 't' }],
    ['binding.account', {}],
  ])('hold to the account in %s', (tier, match) => {
    expect(who([to('a', { ...match, accountId: 'mine' })], { ...everything, accountId: 'other' })).toBe(
      'main by default',
    );
    expect(who([to('a', { ...match, accountId: 'mine' })], { ...everything, accountId: 'mine' })).toBe(`a by ${tier}`);
    expect(who([to('a', match)], { ...everything, accountId: 'other' })).toBe('main by default');
  });
});

describe('a binding', () => {
  it('with a peer and a guild is for that peer there, never for the whole guild', () => {
    const both = [to('a', { peer: PEER, guildId: 'g' })];
    expect(who(both, { peer: PEER, guildId: 'g' })).toBe('a by binding.peer');
    expect(who(both, { peer: ROOM, guildId: 'g' })).toBe('main by default');
    expect(who(both, { peer: PEER, guildId: 'h' })).toBe('main by default');
    expect(who(both, { peer: PEER })).toBe('main by default');
  });

  it('with a peer and a team is for that peer there, never for the whole team', () => {
    const both = [to('a', { peer: PEER, teamId: 't' })];
    expect(who(both, { peer: PEER, teamId: 't' })).toBe('a by binding.peer');
    expect(who(both, { peer: ROOM, teamId: 't' })).toBe('main by default');
    expect(who(both, { peer: PEER, teamId: 'u' })).toBe('main by default');
  });

  it('with a guild and a team is for the guild where the team is right, and never for the team elsewhere', () => {
    const both = [to('a', { guildId: 'g', teamId: 't' })];
    expect(who(both, { guildId: 'g', teamId: 't' })).toBe('a by binding.guild');
    expect(who(both, { guildId: 'g' })).toBe('main by default');
    expect(who(both, { teamId: 't' })).toBe('main by default');
  });

  it('without an account is for the account default alone', () => {
    expect(who([to('a')])).toBe('a by binding.account');
    expect(who([to('a')], { accountId: ' ' })).toBe('a by binding.account');
    expect(who([to('a')], { accountId: 'other' })).toBe('main by default');
    // In a message * is no account, in a binding it is all.
    expect(ask([to('a')], { accountId: '*' })).toMatchObject({ agentId: 'a', accountId: 'default' });
  });

  it.each(['Bot Main', 'bot@main', '-bot main-', ' BOT-MAIN '])('knows its account as %s', (accountId) => {
    expect(ask([to('a', { accountId: 'bot-main' })], { accountId })).toMatchObject({
      agentId: 'a',
      accountId: 'bot-main',
    });
    expect(who([to('a', { accountId })], { accountId: 'bot-main' })).toBe('a by binding.account');
  });

  it.each(['__proto__', 'constructor', 'prototype', '-', '日本', '*'])(
    'takes the account %s of a message for default',
    (accountId) => {
      expect(ask([], { accountId }).accountId).toBe('default');
    },
  );

  it('cuts a long account to 64, also where a lot of dashes stand before it', () => {
    expect(ask([], { accountId: 'A'.repeat(70) }).accountId).toBe('a'.repeat(64));
    const started = performance.now();
    expect(ask([], { accountId: `${'-'.repeat(200_000)}b${'-'.repeat(200_000)}` }).accountId).toBe('b');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('takes dm for direct, and group and channel for each other, but not for direct', () => {
    const matches = (kind: string, requested: string) =>
      who([to('a', { peer: { kind, id: '1' } })], { peer: { kind: requested, id: '1' } }) === 'a by binding.peer';
    expect([matches('dm', 'direct'), matches('direct', ' DM ')]).toEqual([true, true]);
    expect([matches('group', 'channel'), matches('channel', 'Group')]).toEqual([true, true]);
    expect([matches('direct', 'group'), matches('channel', 'dm'), matches('group', 'thread')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('with the peer * is for all of that kind, also without an id, and behind an exact one', () => {
    const all = to('all', { peer: { kind: 'direct', id: ' * ' } });
    expect(who([all], { peer: PEER })).toBe('all by binding.peer.wildcard');
    expect(who([all], { peer: { kind: 'direct', id: '' } })).toBe('all by binding.peer.wildcard');
    expect(who([all], { peer: ROOM })).toBe('main by default');
    expect(who([all])).toBe('main by default');
    expect(who([all, to('one', { peer: PEER })], { peer: PEER })).toBe('one by binding.peer');
    expect(who([all], { peer: ROOM, parentPeer: { kind: 'direct', id: '*' } })).toBe('main by default');
  });

  it('compares ids by case and numbers by their digits', () => {
    expect(who([to('a', { peer: { kind: 'direct', id: 'AbC' } })], { peer: { kind: 'direct', id: 'abc' } })).toBe(
      'main by default',
    );
    expect(who([to('a', { peer: { kind: 'direct', id: 5 } })], { peer: { kind: 'direct', id: ' 5 ' } })).toBe(
      'a by binding.peer',
    );
    expect(who([to('a', { guildId: 7n })], { guildId: 7 })).toBe('a by binding.guild');
    expect(who([to('a', { guildId: 0 })], {})).toBe('main by default');
  });

  it('needs one of its roles, in every tier, exactly as written', () => {
    const roles = [to('a', { guildId: 'g', roles: ['r', 's'] }), to('b', { guildId: 'g' })];
    expect(who(roles, { guildId: 'g', memberRoleIds: ['x', 's'] })).toBe('a by binding.guild+roles');
    expect(who(roles, { guildId: 'g', memberRoleIds: ['R', ' r'] })).toBe('b by binding.guild');
    expect(who(roles, { guildId: 'g', memberRoleIds: [] })).toBe('b by binding.guild');
    expect(who(roles, { guildId: 'h', memberRoleIds: ['r'] })).toBe('main by default');
    for (const match of [
      { peer: PEER },
      { peer: { kind: 'direct', id: '*' } },
      { teamId: 't' },
      {},
      { accountId: '*' },
    ]) {
      const input = { peer: PEER, teamId: 't' };
      expect(who([to('a', { ...match, roles: ['r'] })], { ...input, memberRoleIds: ['s'] })).toBe('main by default');
      expect(who([to('a', { ...match, roles: ['r'] })], { ...input, memberRoleIds: ['r'] })).toMatch(/^a by/);
    }
    expect(who([to('a', { guildId: 'g', roles: [] })], { guildId: 'g' })).toBe('a by binding.guild');
  });

  it('of many that a member has roles for is the first of the config', () => {
    const many = Array.from({ length: 300 }, (_, n) => to(`a${n}`, { guildId: 'g', roles: [`r${n}`, 'all'] }));
    expect(who(many, { guildId: 'g', memberRoleIds: ['r250', 'r40', 'r77'] })).toBe('a40 by binding.guild+roles');
    expect(who(many, { guildId: 'g', memberRoleIds: ['r250', 'all'] })).toBe('a0 by binding.guild+roles');
  });

  it('for the parent is not for a thread with the wrong guild, and the key stays that of the thread', () => {
    const thread = { peer: { kind: 'channel', id: 'T' }, parentPeer: ROOM, guildId: 'g' };
    const route = ask([to('a', { peer: ROOM, guildId: 'g' })], thread);
    expect(route).toMatchObject({ matchedBy: 'binding.peer.parent', sessionKey: 'agent:a:x:channel:t' });
    expect(who([to('a', { peer: ROOM, guildId: 'h' })], thread)).toBe('main by default');
    expect(who([to('a', { peer: ROOM })], { parentPeer: { kind: 'group', id: '' } })).toBe('main by default');
  });

  it.each([
    ['null', null],
    ['a text', 'x'],
    ['nothing to match', { agentId: 'a' }],
    ['no channel', { agentId: 'a', match: {} }],
    ['a blank channel', { agentId: 'a', match: { channel: ' ' } }],
    ['a peer that is a text', to('a', { peer: wild('1') })],
    ['a peer without an id', to('a', { peer: wild({ kind: 'direct' }) })],
    ['a peer of an unknown kind', to('a', { peer: { kind: 'thread', id: '1' } })],
    ['a guild that is an object', to('a', { guildId: wild({}) })],
    ['roles that are no list', to('a', { roles: wild('r') })],
    ['the type acp', to('a', {}, { type: 'acp' })],
  ])('that is %s takes no part, and keeps none of the others from it', (_, binding) => {
    expect(who([wild(binding)], { peer: PEER })).toBe('main by default');
    expect(who([wild(binding), to('z')], { peer: PEER })).toBe('z by binding.account');
  });

  it('cannot be confused with another by separators in its ids, nor nothing with - or an empty text', () => {
    const keys = ['a,b', 'a\tb', 'a', 'b', '-', 'a:b', '["a","b"]'];
    const bindings = keys.flatMap((guildId, g) =>
      keys.map((teamId, t) => to(`a${g}-${t}`, { peer: PEER, guildId, teamId })),
    );
    for (const [g, guildId] of keys.entries()) {
      for (const [t, teamId] of keys.entries()) {
        expect(ask(bindings, { peer: PEER, guildId, teamId }).agentId).toBe(`a${g}-${t}`);
      }
    }
    expect(who(bindings, { peer: PEER })).toBe('main by default');
    expect(who([to('a', { peer: { kind: 'direct', id: '*' } })], {})).toBe('main by default');
  });
});

describe('the agent', () => {
  it('of the first binding that matches must be there: no other binding is tried', () => {
    const bindings = [to('gone', { peer: PEER }), to('a')];
    expect(codeOf(() => ask(bindings, { peer: PEER }, agents('a', 'b')))).toBe('AGENT_SELECTION_REQUIRED');
    expect(codeOf(() => ask(bindings, { parentPeer: PEER }, agents('a', 'b')))).toBe('AGENT_SELECTION_REQUIRED');
    expect(who(bindings, {}, agents('a', 'b'))).toBe('a by binding.account');
  });

  it('main is always there, and without a roster every one is', () => {
    expect(who([to(' MAIN ')], {}, agents('a', 'b'))).toBe('main by binding.account');
    expect(who([to('Any One')])).toBe('any-one by binding.account');
    expect(who([to('日本')])).toBe('main by binding.account');
  });

  it.each<[string, RoutingConfig['agents'], string]>([
    ['the only one', { entries: { a: {} } }, 'a'],
    ['the one that is marked', { entries: { a: {}, b: { default: true } } }, 'b'],
    [
      'nobody where two are marked',
      { entries: { a: { default: true }, b: { default: true } } },
      'AGENT_SELECTION_REQUIRED',
    ],
    ['nobody of several', { entries: { a: {}, b: {} } }, 'AGENT_SELECTION_REQUIRED'],
    ['nobody of none', { entries: {} }, 'NO_AGENTS_CONFIGURED'],
    ['the only one of the list', { list: [{ id: 'A b' }] }, 'a-b'],
    ['nobody of empty entries, whatever the list says', { entries: {}, list: [{ id: 'a' }] }, 'NO_AGENTS_CONFIGURED'],
    [
      'the system agent where that is explicit',
      { ownership: 'explicit', defaults: { systemAgent: { agentId: 'B' } }, entries: { a: { default: true }, b: {} } },
      'b',
    ],
    [
      'nobody where a marker does not count',
      { ownership: 'explicit', entries: { a: { default: true }, b: {} } },
      'AGENT_SELECTION_REQUIRED',
    ],
    ['main without any list', {}, 'main'],
  ])('of what no binding matches is %s', (_, roster, expected) => {
    expect(codeOf(() => ask([], {}, { agents: roster }).agentId)).toBe(expected);
    // A binding that names nobody means the same one.
    expect(codeOf(() => ask([to(' ')], {}, { agents: roster }).agentId)).toBe(expected);
  });

  it('that the caller names stands before the owner, and must be there', () => {
    expect(who([], { defaultAgentId: ' B ' }, agents('a', 'b'))).toBe('b by default');
    expect(codeOf(() => ask([], { defaultAgentId: 'c' }, agents('a', 'b')))).toBe('AGENT_SELECTION_REQUIRED');
    expect(who([to('a')], { defaultAgentId: 'b' }, agents('a', 'b'))).toBe('a by binding.account');
  });
});

describe('the scopes', () => {
  it('of the binding stand before those of the call, and those before those of the config', () => {
    const session = { dmScope: 'per-peer', groupScope: 'main' } as const;
    expect(ask([], {}, { session })).toMatchObject(session);
    expect(ask([], { dmScope: 'main', groupScope: 'per-group' }, { session })).toMatchObject({
      dmScope: 'main',
      groupScope: 'per-group',
    });
    const bound = [to('a', {}, { session: { dmScope: 'per-channel-peer' } })];
    expect(ask(bound, { dmScope: 'main' }, { session })).toMatchObject({
      dmScope: 'per-channel-peer',
      groupScope: 'main',
    });
  });

  it('of a binding for one room are not those of another', () => {
    const bindings = [to('a', { peer: ROOM }, { session: { groupScope: 'main' } }), to('a')];
    expect(ask(bindings, { peer: ROOM }).sessionKey).toBe('agent:a:main');
    expect(ask(bindings, { peer: { kind: 'group', id: 'b' } }).sessionKey).toBe('agent:a:x:group:b');
  });
});
