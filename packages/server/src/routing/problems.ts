// The faults of a config's bindings as sentences. A problem has the index of the binding; the caller finds the line.

import { Roster, readRoster } from './agents.ts';
import { type BindingFault, bindingRuleOf, read } from './bindings.ts';
import type { RoutingConfig } from './route.ts';

export interface BindingProblem {
  /** Index of the binding, from 0. */
  readonly index: number;
  /** Path below the binding, e.g. `match.peer.id`; '' for the whole. */
  readonly path: string;
  readonly message: string;
  /** True if the binding takes no part in routing. */
  readonly isDropped: boolean;
}

const FAULTS: Readonly<Record<BindingFault, readonly [path: string, message: string]>> = {
  not_a_binding: ['', 'This is not a binding: it needs a "match" with a "channel".'],
  no_channel: ['match.channel', 'The channel is missing or empty.'],
  bad_account: ['match.accountId', 'An account is a text: its name, or "*" for all.'],
  bad_peer: ['match.peer', 'A peer is an object with "kind" and "id".'],
  bad_peer_kind: ['match.peer.kind', 'A peer is of the kind direct (or dm), group or channel.'],
  no_peer_id: ['match.peer.id', 'The peer has no id. Use "*" for every peer of its kind.'],
  bad_guild: ['match.guildId', 'A guild is a text or a number.'],
  bad_team: ['match.teamId', 'A team is a text or a number.'],
  bad_roles: ['match.roles', 'Roles are a list of texts.'],
};

/**
 * Returns the problems in the order of the config. A faulty binding is left out of routing; it never matches more than
 * it says.
 */
export function checkBindings(config: RoutingConfig | null | undefined): BindingProblem[] {
  const bindings: unknown = config?.bindings;
  if (!Array.isArray(bindings)) return [];
  const roster = new Roster(readRoster(config?.agents));
  return bindings.flatMap((raw: unknown, index): BindingProblem[] => {
    const reading = read(raw);
    const rule = bindingRuleOf(reading, index);
    if (rule === undefined) return [];
    if (typeof rule === 'string') {
      const [path, message] = FAULTS[rule];
      return [{ index, path, message, isDropped: true }];
    }
    const problems: BindingProblem[] = [];
    const report = (path: string, message: string) => problems.push({ index, path, message, isDropped: false });
    if (rule.agentId !== undefined && !roster.has(rule.agentId)) {
      report('agentId', `There is no agent "${rule.agentId}": what this binding matches cannot be routed.`);
    }
    for (const name of ['guildId', 'teamId'] as const) {
      if (typeof reading[name] === 'string' && rule[name] === '') {
        report(`match.${name}`, 'The condition is blank. Remove it, or name a value.');
      }
    }
    return problems;
  });
}
