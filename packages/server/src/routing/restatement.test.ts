import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { createRouter, RouteError, type RouteInput, type RoutingConfig, resolveAgentRoute } from './index.ts';
import { type SlowConfig, type SlowInput, slowRoute } from './restatement.fixture.ts';

// Small alphabets: nearly everything meets something.
const channel = fc.constantFrom('x', 'x', 'x', ' X ', 'signal', 'Matrix', '', '-');
const anyAccount = fc.constantFrom('a', 'a', ' A ', 'b', '*', ' * ', '', '-', 'Bot Main', 'bot@main', 'constructor');
const id = fc.constantFrom<string | number | bigint>('1', '1', 1, 1n, ' 1 ', '2', '*', '', 'AbC', 'abc', 'a,b', 'a\tb');
const kind = fc.constantFrom('direct', 'dm', ' DM ', 'group', 'channel', 'Group', 'thread');
const peer = fc.option(fc.record({ kind, id }));
const scopeId = fc.option(fc.constantFrom<string | number>('g', 'g', ' g ', 'h', '', '-', 7, '7'));
const roles = fc.option(fc.array(fc.constantFrom('r', 's', 't', 'R', '', ' r'), { maxLength: 3 }));
const agentId = fc.constantFrom('a', 'b', 'main', 'MAIN', ' b ', '', '日本', 'B b', 'z', '__proto__');
const dmScope = fc.constantFrom('main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer', null);
const groupScope = fc.constantFrom('main', 'per-group', null);
const scopes = fc.record({ dmScope, groupScope }, { requiredKeys: [] });

const binding = fc.record(
  {
    type: fc.constantFrom('route', 'acp', 'other', null),
    agentId,
    match: fc.record(
      { channel, accountId: anyAccount, peer, guildId: scopeId, teamId: scopeId, roles },
      { requiredKeys: ['channel'] },
    ),
    session: fc.option(scopes),
  },
  { requiredKeys: ['agentId', 'match'] },
);
const entry = fc.constantFrom({}, {}, { default: true }, { default: false }, null);
const agents = fc.record(
  {
    ownership: fc.constantFrom('explicit', 'other'),
    defaults: fc.record({ systemAgent: fc.record({ agentId }) }),
    entries: fc.dictionary(agentId, entry, { maxKeys: 4, noNullPrototype: true }),
    list: fc.array(fc.option(fc.record({ id: agentId, default: fc.boolean() })), { maxLength: 4 }),
  },
  { requiredKeys: [] },
);
const links = fc.dictionary(
  fc.constantFrom('Ada', ' Bob ', '', '2'),
  fc.oneof(fc.array(fc.constantFrom('1', 'ABC ', 'x:1', 'x:abc', 'unknown', 'y:2', '')), fc.constant(null)),
  { noNullPrototype: true },
);
const config = fc.record(
  {
    bindings: fc.array(fc.oneof({ arbitrary: binding, weight: 20 }, { arbitrary: fc.constant(null), weight: 1 }), {
      maxLength: 12,
    }),
    agents,
    session: fc.record(
      { dmScope, groupScope, mainKey: fc.constantFrom('Home', '', ' k '), identityLinks: links },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['bindings'] },
);
const input = fc.record(
  {
    channel,
    accountId: fc.option(anyAccount),
    peer,
    parentPeer: peer,
    guildId: scopeId,
    teamId: scopeId,
    memberRoleIds: roles,
    dmScope,
    groupScope,
    defaultAgentId: fc.option(agentId),
  },
  { requiredKeys: ['channel'] },
);

const attempt = (route: () => object): object => {
  try {
    return route();
  } catch (error) {
    if (!(error instanceof RouteError)) throw error;
    return { code: error.code };
  }
};

describe('routing, against a slow restatement of its rules', () => {
  it('finds the same route, or the same failure, by every way of asking', () => {
    fc.assert(
      fc.property(config, fc.array(input, { minLength: 1, maxLength: 6 }), (cfg, inputs) => {
        // At the edge: the arbitraries make on purpose what the types refuse.
        const config = cfg as unknown as RoutingConfig;
        const router = createRouter(config);
        for (const one of inputs) {
          const message = one as unknown as RouteInput;
          const slow = slowRoute(cfg as SlowConfig, one as SlowInput);
          expect(attempt(() => router.resolve(message))).toEqual(slow);
          expect(attempt(() => resolveAgentRoute({ cfg: config, ...message }))).toEqual(slow);
          const { route, error, tiers } = router.explain(message);
          expect(route ?? { code: error?.code }).toEqual(slow);
          // What the explanation says of single bindings agrees with who won.
          const won = tiers.find(({ outcome }) => outcome === 'matched');
          for (const tier of tiers) {
            if (tier.outcome === 'no_match') expect(tier.candidates.filter(({ matches }) => matches)).toEqual([]);
          }
          if (route !== null) expect(won?.tier).toBe(route.matchedBy);
        }
      }),
      { numRuns: count({ quick: 400, all: 4000 }) },
    );
  });

  it('finds the same route after each of many changes in place', () => {
    const edits = fc.array(
      fc.record({
        at: fc.nat({ max: 11 }),
        how: fc.constantFrom('push', 'pop', 'set', 'agent', 'peer', 'guild'),
        binding,
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(config, edits, fc.array(input, { minLength: 1, maxLength: 3 }), (cfg, changes, inputs) => {
        const bindings = cfg.bindings as SlowConfig['bindings'] & object;
        const same = () => {
          for (const one of inputs) {
            const request = { cfg, ...one } as unknown as Parameters<typeof resolveAgentRoute>[0];
            expect(attempt(() => resolveAgentRoute(request))).toEqual(slowRoute(cfg as SlowConfig, one as SlowInput));
          }
        };
        same();
        for (const { at, how, binding: other } of changes) {
          const target = bindings[at % Math.max(1, bindings.length)];
          if (how === 'push') bindings.push(structuredClone(other) as never);
          else if (how === 'pop') bindings.splice(at, 1);
          else if (how === 'set') bindings[at % Math.max(1, bindings.length)] = structuredClone(other) as never;
          else if (target?.match) {
            if (how === 'agent') target.agentId = other.agentId;
            if (how === 'peer') target.match.peer = structuredClone(other.match.peer ?? null) as never;
            if (how === 'guild') target.match.guildId = other.match.guildId;
          }
          same();
        }
      }),
      { numRuns: count({ quick: 100, all: 1000 }) },
    );
  });
});
