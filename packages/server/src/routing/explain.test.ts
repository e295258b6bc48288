import { describe, expect, it } from 'vitest';
import { type Binding, checkBindings, createRouter, type RoutingConfig } from './index.ts';

const to = (agentId: string, match: Partial<Binding['match']> = {}): Binding => ({
  agentId,
  match: { channel: 'x', ...match },
});
const explain = (bindings: readonly Binding[], input = {}, config: RoutingConfig = {}) =>
  createRouter({ ...config, bindings }).explain({ channel: 'x', ...input });

describe('an explanation', () => {
  it('names the binding that won, and those that would have', () => {
    const explanation = explain([to('a', { guildId: 'g' }), to('b', { guildId: 'g' }), to('c')], { guildId: 'g' });
    expect(explanation).toMatchObject({ binding: 0, error: null, route: { agentId: 'a', matchedBy: 'binding.guild' } });
    const tier = explanation.tiers.find(({ outcome }) => outcome === 'matched');
    expect(tier?.candidates).toEqual([
      { index: 0, agentId: 'a', matches: true, why: 'All of its conditions hold.' },
      { index: 1, agentId: 'b', matches: true, why: 'It would match, but binding 0 stands before it.' },
    ]);
  });

  it('says of each tier what the message lacks, or what kept the bindings in it from matching', () => {
    const explanation = explain(
      [to('a', { accountId: 'mine', peer: { kind: 'group', id: '1' }, guildId: 'g', teamId: 't', roles: ['r'] })],
      { peer: { kind: 'channel', id: '2' } },
    );
    expect(explanation.tiers.map(({ tier, outcome }) => [tier, outcome])).toEqual([
      ['binding.peer', 'no_match'],
      ['binding.peer.parent', 'not_applicable'],
      ['binding.peer.wildcard', 'no_match'],
      ['binding.guild+roles', 'not_applicable'],
      ['binding.guild', 'not_applicable'],
      ['binding.team', 'not_applicable'],
      ['binding.account', 'no_match'],
      ['binding.channel', 'no_match'],
      ['default', 'matched'],
    ]);
    expect(explanation.tiers[0]?.candidates).toEqual([
      {
        index: 0,
        agentId: 'a',
        matches: false,
        why:
          'it is for the account mine, not default; it is for group or channel 1, not channel:2; ' +
          'it is for the guild g, and the message names none; it is for the team t, and the message names none; ' +
          'it needs one of the roles r.',
      },
    ]);
  });

  it('stays short for many bindings, and shows those that miss by the least', () => {
    const bindings = Array.from({ length: 5000 }, (_, n) =>
      to('a', { peer: { kind: 'direct', id: `${n}` }, guildId: 'g' }),
    );
    const explanation = explain(bindings, { peer: { kind: 'direct', id: '4000' } });
    const [tier] = explanation.tiers;
    expect(tier?.candidates).toHaveLength(5);
    expect(tier?.candidates[0]?.index).toBe(4000);
    expect(tier?.more).toBe(4995);
    expect(JSON.stringify(explanation).length).toBeLessThan(5000);
  });

  it('stays short for long texts and many roles', () => {
    const roles = Array.from({ length: 3000 }, (_, n) => `${n}`.padStart(3000, 'r'));
    const explanation = explain([to('a', { guildId: 'g'.repeat(10_000), roles })], {
      guildId: 'h'.repeat(10_000),
      memberRoleIds: ['q'],
    });
    expect(JSON.stringify(explanation).length).toBeLessThan(5000);
  });

  it('of a message that cannot be routed says why instead of throwing', () => {
    const explanation = explain([to('gone')], {}, { agents: { entries: { a: {} } } });
    expect(explanation).toMatchObject({ route: null, binding: 0, error: { code: 'AGENT_SELECTION_REQUIRED' } });
    expect(explanation.why).toContain('gone');
  });

  it('says that nobody gets what no binding matches, where no agent of several is the default', () => {
    const explanation = explain([to('a', { guildId: 'g' })], {}, { agents: { entries: { a: {}, b: {} } } });
    expect(explanation).toMatchObject({ route: null, binding: null, error: { code: 'AGENT_SELECTION_REQUIRED' } });
    expect(explanation.tiers.at(-1)).toMatchObject({ tier: 'default', outcome: 'no_match' });
    expect(explanation.tiers.at(-1)?.why).toBe('No binding matches, and no default agent gets it.');
  });

  it('counts what was not looked at', () => {
    const explanation = explain([
      to('a'),
      { agentId: 'b', match: { channel: 'y' } },
      { agentId: 'c', match: { channel: '' } },
    ]);
    expect(explanation.passedOver).toEqual({ otherChannels: 1, faulty: 1 });
  });
});

describe('the check of bindings', () => {
  it('names each that is wrong by its index, what is wrong, and whether it is left out', () => {
    const bindings = [
      to('a'),
      null,
      to('a', { peer: { kind: 'x', id: '1' } }),
      to('a', { peer: { kind: 'dm', id: ' ' } }),
      to('gone'),
      to('a', { guildId: ' ' }),
      { type: 'acp', agentId: 'gone', match: {} },
    ] as unknown as Binding[];
    const found = checkBindings({ bindings, agents: { entries: { a: {} } } });
    expect(found.map(({ index, path, isDropped }) => [index, path, isDropped])).toEqual([
      [1, '', true],
      [2, 'match.peer.kind', true],
      [3, 'match.peer.id', true],
      [4, 'agentId', false],
      [5, 'match.guildId', false],
    ]);
    expect(checkBindings({ bindings: null })).toEqual([]);
  });
});
