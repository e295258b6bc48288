// The steps of one message through rules, agents and scopes to a route, from products of the config.

import type { Roster } from './agents.ts';
import type { BindingIndex, FoundBinding } from './binding-index.ts';
import { agentName, isBlank } from './normalise.ts';
import type { AgentRoute, DmScope, GroupScope, RouteInput } from './route.ts';
import { type IdentityLinks, mainSessionKey, sessionKeyOf } from './session-key.ts';

/** The session settings of the config. */
export interface SessionRules {
  readonly dmScope: DmScope;
  readonly groupScope: GroupScope;
  readonly mainKey: string;
  readonly links: IdentityLinks | undefined;
}

export interface RouterParts {
  readonly index: BindingIndex;
  readonly roster: Roster;
  readonly session: SessionRules;
}

/** Returns a new and frozen route, so that callers cannot affect each other. Throws RouteError. */
export function routeOf(
  found: FoundBinding,
  { roster, session }: Omit<RouterParts, 'index'>,
  input: RouteInput,
): AgentRoute {
  const { channel, accountId, outcome } = found;
  const agentId = agentOf(found, roster, input);
  const dmScope = outcome?.dmScope ?? input.dmScope ?? session.dmScope;
  const groupScope = outcome?.groupScope ?? input.groupScope ?? session.groupScope;
  const { mainKey, links } = session;
  const main = mainSessionKey(agentId, mainKey);
  const { peer } = input;
  const sessionKey =
    peer === undefined || peer === null
      ? main
      : sessionKeyOf({ agentId, channel, accountId, mainKey, peer, dmScope, groupScope, links });
  return Object.freeze({
    agentId,
    channel,
    accountId,
    dmScope,
    groupScope,
    sessionKey,
    mainSessionKey: main,
    lastRoutePolicy: sessionKey === main ? 'main' : 'session',
    matchedBy: found.matchedBy,
  });
}

/** Returns the agent. The first match decides: if it names an unknown agent, no other binding is tried. */
function agentOf({ outcome }: FoundBinding, roster: Roster, { defaultAgentId }: RouteInput): string {
  if (outcome !== undefined) return outcome.agentId === undefined ? roster.owner() : roster.pick(outcome.agentId);
  return isBlank(defaultAgentId) ? roster.owner() : roster.pick(agentName(defaultAgentId));
}
