// The agents of a config, and the selection of an agent for messages that name none.

import { agentName, isBlank, MAIN_AGENT } from './normalise.ts';
import { RouteError, type RoutingConfig } from './route.ts';

type Agents = RoutingConfig['agents'];

/** A copy of the config's agents, as they were read. */
export interface RosterReading {
  /** False if the config has no list of agents at all, which differs from an empty list. */
  readonly hasList: boolean;
  readonly agents: readonly { readonly id: unknown; readonly isDefault: boolean }[];
  readonly isExplicit: boolean;
  readonly system: unknown;
}

export function readRoster(raw: Agents): RosterReading {
  const agents: { id: unknown; isDefault: boolean }[] = [];
  each(raw, (id, isDefault) => {
    agents.push({ id, isDefault });
    return true;
  });
  return { hasList: hasAgentList(raw), agents, isExplicit: raw?.ownership === 'explicit', system: systemOf(raw) };
}

/** Returns whether `raw` still has the content of the copy. */
export function saysRosterStill(was: RosterReading, raw: Agents): boolean {
  if (was.hasList !== hasAgentList(raw)) return false;
  if (was.isExplicit !== (raw?.ownership === 'explicit') || was.system !== systemOf(raw)) return false;
  let at = 0;
  const isSame = each(raw, (id, isDefault) => {
    const before = was.agents[at++];
    return before !== undefined && before.id === id && before.isDefault === isDefault;
  });
  return isSame && at === was.agents.length;
}

export class Roster {
  /** Empty also without a list: then every name is accepted. */
  readonly #ids: ReadonlySet<string>;
  readonly #owner: string | undefined;
  readonly #isEmpty: boolean;

  constructor({ hasList, agents, isExplicit, system }: RosterReading) {
    // No binding can name a blank id; if it is the only agent, it is `main`.
    this.#ids = new Set(agents.filter(({ id }) => !isBlank(id)).map(({ id }) => agentName(id)));
    this.#isEmpty = hasList && agents.length === 0;
    this.#owner = hasList ? ownerOf(agents, isExplicit, system) : MAIN_AGENT;
  }

  /** Returns the agent that a binding names, never a substitute: an unknown name throws `AGENT_SELECTION_REQUIRED`. */
  pick(name: string): string {
    if (this.#ids.size === 0 || name === MAIN_AGENT || this.#ids.has(name)) return name;
    throw new RouteError(
      'AGENT_SELECTION_REQUIRED',
      `There is no agent "${name}". Correct the agentId of the binding, or add the agent.`,
    );
  }

  has(name: string): boolean {
    return this.#ids.size === 0 || name === MAIN_AGENT || this.#ids.has(name);
  }

  /**
   * Returns the agent for messages that name no agent. Throws `NO_AGENTS_CONFIGURED` and `AGENT_SELECTION_REQUIRED`.
   */
  owner(): string {
    if (this.#owner !== undefined) return this.#owner;
    if (this.#isEmpty) {
      throw new RouteError('NO_AGENTS_CONFIGURED', 'No agents are configured. Add one to agents.entries.');
    }
    throw new RouteError(
      'AGENT_SELECTION_REQUIRED',
      'There are several agents, and none is the default. Mark one with "default": true, or add a binding.',
    );
  }
}

function ownerOf(agents: RosterReading['agents'], isExplicit: boolean, system: unknown): string | undefined {
  if (isExplicit) {
    const named = isBlank(system) ? undefined : agentName(system);
    if (named !== undefined && agents.some(({ id }) => agentName(id) === named)) return named;
  } else {
    // Two markers are ambiguous, and count as none.
    const [marked, ...others] = agents.filter(({ isDefault }) => isDefault);
    if (marked !== undefined && others.length === 0) return agentName(marked.id);
  }
  const [only, ...others] = agents;
  return only !== undefined && others.length === 0 ? agentName(only.id) : undefined;
}

// The config may come from any source, so the type of each value is checked before its use.

/** Returns whether a list is given: a value other than undefined counts, even if it is empty or no list. */
const hasAgentList = (raw: Agents): boolean => raw?.entries !== undefined || raw?.list !== undefined;

const systemOf = (raw: Agents): unknown => raw?.defaults?.systemAgent?.agentId;

/** Visits each agent in the order of the config, as long as `visit` returns true. Returns the last result. */
function each(raw: Agents, visit: (id: unknown, isDefault: boolean) => boolean): boolean {
  const entries: unknown = raw?.entries;
  if (entries !== undefined) {
    if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) return true;
    const table = entries as Readonly<Record<string, unknown>>;
    for (const id in table) {
      const entry = table[id];
      if (!Object.hasOwn(table, id) || typeof entry !== 'object' || entry === null) continue;
      if (!visit(id, 'default' in entry && entry.default === true)) return false;
    }
    return true;
  }
  const list: unknown = raw?.list;
  if (!Array.isArray(list)) return true;
  for (const entry of list as readonly unknown[]) {
    if (typeof entry !== 'object' || entry === null) continue;
    const id = 'id' in entry ? entry.id : undefined;
    if (!visit(id, 'default' in entry && entry.default === true)) return false;
  }
  return true;
}
