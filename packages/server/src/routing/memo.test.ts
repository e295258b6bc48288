import { describe, expect, it } from 'vitest';
import { type Binding, createRouter, type RoutingConfig, resolveAgentRoute } from './index.ts';
import { RouteResolver } from './resolve-route.ts';

const codeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};
const to = (agentId: string, match: Partial<Binding['match']> = {}): Binding => ({
  agentId,
  match: { channel: 'x', ...match },
});

describe('a config that is changed in place', () => {
  const peers = (count: number): Binding[] =>
    Array.from({ length: count }, (_, n) => to(`a${n}`, { peer: { kind: 'direct', id: `p${n}` } }));
  const open = () => {
    let now = 0;
    const resolver = new RouteResolver({ comparedEachTime: 16, comparedEveryMs: 1000 }, () => now);
    const at = (cfg: unknown, id: string): string =>
      resolver.resolve({ cfg: cfg as RoutingConfig, channel: 'x', peer: { kind: 'direct', id } }).agentId;
    const pass = (ms: number): void => {
      now += ms;
    };
    return { at, pass };
  };
  // Mutable on purpose.
  interface Loose {
    agentId: string;
    match: { channel: string; peer: { kind: string; id: string }; roles?: string[] };
  }
  const loose = (cfg: RoutingConfig): Loose[] => cfg.bindings as unknown as Loose[];

  it('is another config at the next call: pushed, spliced, sorted, edited in any field', () => {
    const cfg: RoutingConfig = { bindings: peers(3) };
    const bindings = loose(cfg);
    const route = (id: string) => resolveAgentRoute({ cfg, channel: 'x', peer: { kind: 'direct', id } }).agentId;
    expect(route('p1')).toBe('a1');
    bindings.push({ agentId: 'new', match: { channel: 'x', peer: { kind: 'direct', id: 'p9' } } });
    expect(route('p9')).toBe('new');
    bindings.splice(1, 1);
    expect(route('p1')).toBe('main');
    const [first] = bindings;
    if (first === undefined) throw new Error('unreachable');
    first.agentId = 'edited';
    expect(route('p0')).toBe('edited');
    first.match.peer.id = 'q';
    expect([route('p0'), route('q')]).toEqual(['main', 'edited']);
    first.match.roles = ['r'];
    expect(route('q')).toBe('main');
    first.match.roles.length = 0;
    expect(route('q')).toBe('edited');
    bindings.push({ agentId: 'late', match: { channel: 'x', peer: { kind: 'direct', id: 'q' } } });
    expect(route('q')).toBe('edited');
    bindings.reverse();
    expect(route('q')).toBe('late');
  });

  it('and is large: its length and the binding that wins are looked at each time, the rest within a second', () => {
    const { at, pass } = open();
    const cfg: RoutingConfig = { bindings: peers(1000) };
    const bindings = loose(cfg);
    expect(at(cfg, 'p500')).toBe('a500');
    const [target, other] = [bindings[500], bindings[501]];
    if (target === undefined || other === undefined) throw new Error('unreachable');
    target.agentId = 'edited';
    expect(at(cfg, 'p500')).toBe('edited');
    target.match.peer.id = 'moved';
    expect(at(cfg, 'p500')).toBe('main');
    expect(at(cfg, 'moved')).toBe('edited');
    bindings.push({ agentId: 'new', match: { channel: 'x', peer: { kind: 'direct', id: 'late' } } });
    expect(at(cfg, 'late')).toBe('new');
    // This one cannot be seen without reading every binding.
    other.match.peer.id = 'elsewhere';
    expect(at(cfg, 'elsewhere')).toBe('main');
    pass(1000);
    expect(at(cfg, 'elsewhere')).toBe('a501');
  });

  it('by another array, another list of agents or other links is another config at the next call', () => {
    const { at } = open();
    const cfg = { bindings: peers(1000), agents: { entries: { a1: {} } as Record<string, object> }, session: {} };
    expect(at(cfg, 'p1')).toBe('a1');
    expect(codeOf(() => at(cfg, 'p2'))).toBe('AGENT_SELECTION_REQUIRED');
    cfg.agents.entries.a2 = {};
    expect(at(cfg, 'p2')).toBe('a2');
    delete cfg.agents.entries.a1;
    expect(codeOf(() => at(cfg, 'p1'))).toBe('AGENT_SELECTION_REQUIRED');
    cfg.bindings = [to('a2', { peer: { kind: 'direct', id: 'p1' } })];
    expect(at(cfg, 'p1')).toBe('a2');
  });

  it('to have another agent is seen before a message is refused, however many agents there are', () => {
    const { at } = open();
    const entries: Record<string, object> = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`b${n}`, {}]));
    const cfg = { bindings: peers(3), agents: { entries } };
    expect(codeOf(() => at(cfg, 'p1'))).toBe('AGENT_SELECTION_REQUIRED');
    entries.a1 = {};
    expect(at(cfg, 'p1')).toBe('a1');
  });

  it('as a clone of it is routed like it, and like itself once it is changed', () => {
    const { at } = open();
    const cfg = { bindings: peers(1000) };
    expect(at(cfg, 'p7')).toBe('a7');
    const clone = structuredClone(cfg);
    expect(at(clone, 'p7')).toBe('a7');
    const [first] = loose(clone);
    if (first === undefined) throw new Error('unreachable');
    first.agentId = 'clone';
    expect([at(clone, 'p0'), at(cfg, 'p0')]).toEqual(['clone', 'a0']);
  });

  it('does not reach a router that was made before: that is made of the config as it was', () => {
    const cfg: RoutingConfig = { bindings: peers(3) };
    const router = createRouter(cfg);
    loose(cfg).length = 0;
    expect(router.resolve({ channel: 'x', peer: { kind: 'direct', id: 'p1' } }).agentId).toBe('a1');
    expect(createRouter(cfg).resolve({ channel: 'x', peer: { kind: 'direct', id: 'p1' } }).agentId).toBe('main');
  });
});
