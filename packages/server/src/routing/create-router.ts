// A router for one state of a config. Later changes in the config need a new router.

import { Roster, readRoster } from './agents.ts';
import { BindingIndex } from './binding-index.ts';
import { type BindingFault, type BindingReading, type BindingRule, bindingRuleOf, read } from './bindings.ts';
import { type Explanation, explain } from './explain.ts';
import type { AgentRoute, RouteInput, RoutingConfig } from './route.ts';
import { type RouterParts, routeOf, type SessionRules } from './router.ts';
import { IdentityLinks, mainKeyName, readLinks } from './session-key.ts';

export interface Router {
  /** Throws RouteError: `AGENT_SELECTION_REQUIRED`, `NO_AGENTS_CONFIGURED`. */
  resolve(input: RouteInput): AgentRoute;
  /**
   * Explains a route. Never throws the failures of `resolve`: the explanation contains them. O(n) over the bindings of
   * the channel.
   */
  explain(input: RouteInput): Explanation;
}

export function createRouter(config: RoutingConfig | null | undefined): Router {
  const rules = readBindings(config).map(bindingRuleOf);
  const parts: RouterParts = {
    index: indexOf(rules),
    roster: new Roster(readRoster(config?.agents)),
    session: sessionRulesOf(config?.session, linksOf(readLinks(config?.session?.identityLinks))),
  };
  return {
    resolve: (input) => routeOf(parts.index.find(input), parts, input),
    explain: (input) => explain(parts, rules, input),
  };
}

/** Returns no bindings for a value that is no list. */
export function readBindings(config: RoutingConfig | null | undefined): readonly BindingReading[] {
  const bindings: unknown = config?.bindings;
  return Array.isArray(bindings) ? Array.from(bindings, read) : [];
}

export const isRule = (rule: BindingRule | BindingFault | undefined): rule is BindingRule => typeof rule === 'object';

export const indexOf = (rules: readonly (BindingRule | BindingFault | undefined)[]): BindingIndex =>
  new BindingIndex(rules.filter(isRule));

export const linksOf = (read: ReturnType<typeof readLinks>): IdentityLinks | undefined =>
  read.length === 0 ? undefined : new IdentityLinks(read);

export function sessionRulesOf(session: RoutingConfig['session'], links: IdentityLinks | undefined): SessionRules {
  return {
    dmScope: session?.dmScope ?? 'main',
    groupScope: session?.groupScope ?? 'per-group',
    mainKey: mainKeyName(session?.mainKey),
    links,
  };
}
