// Routes messages by a config of the caller. Makes an index at the first use of a config, and detects changes.

import { Roster, type RosterReading, readRoster, saysRosterStill } from './agents.ts';
import { BindingIndex, type FoundBinding } from './binding-index.ts';
import { type BindingReading, bindingRuleOf, read, saysStill } from './bindings.ts';
import { indexOf, linksOf, sessionRulesOf } from './create-router.ts';
import { ContentMemo, MEMO_LIMITS, type MemoLimits } from './memo.ts';
import type { AgentRoute, RouteInput, RoutingConfig } from './route.ts';
import { routeOf } from './router.ts';
import { type IdentityLinks, type LinkReading, readLinks, saysLinksStill } from './session-key.ts';

export interface ResolveInput extends RouteInput {
  readonly cfg: RoutingConfig | null | undefined;
}

type Agents = NonNullable<RoutingConfig['agents']>;

const NO_AGENTS = new Roster(readRoster(undefined));
const NO_BINDINGS = new BindingIndex([]);

/** Owns the products made of configs. The process has one, see below; tests create their own, with a test clock. */
export class RouteResolver {
  readonly #bindings: ContentMemo<readonly unknown[], readonly BindingReading[], BindingIndex>;
  readonly #agents: ContentMemo<Agents, RosterReading, Roster>;
  readonly #links: ContentMemo<object, readonly LinkReading[], IdentityLinks | undefined>;

  readonly #now: () => number;

  constructor(keeping: MemoLimits = MEMO_LIMITS, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#bindings = new ContentMemo(
      {
        read: (source) => Array.from(source, read),
        sizeOf: (copy) => copy.length,
        sizeNow: (source) => source.length,
        saysStill: (copy, source) => {
          for (let at = 0; at < copy.length; at++) {
            const was = copy[at];
            if (was === undefined || !saysStill(was, source[at])) return false;
          }
          return true;
        },
        make: (copy) => indexOf(copy.map(bindingRuleOf)),
      },
      keeping,
    );
    this.#agents = new ContentMemo(
      {
        read: readRoster,
        sizeOf: (copy) => copy.agents.length,
        saysStill: saysRosterStill,
        make: (copy) => new Roster(copy),
      },
      // An agent costs more to compare than a binding, and all are compared before a message is refused, see below.
      { ...keeping, comparedEachTime: Math.min(8, keeping.comparedEachTime) },
    );
    this.#links = new ContentMemo(
      { read: readLinks, sizeOf: (copy) => copy.length, saysStill: saysLinksStill, make: linksOf },
      keeping,
    );
  }

  /** Throws RouteError: `AGENT_SELECTION_REQUIRED`, `NO_AGENTS_CONFIGURED`. */
  resolve(input: ResolveInput): AgentRoute {
    const { cfg } = input;
    // Once per call: a clock read takes a tenth of the call.
    const now = this.#now();
    const found = this.#find(cfg?.bindings, input, now);
    const links = cfg?.session?.identityLinks;
    const known = typeof links === 'object' && links !== null ? this.#links.of(links, now).made : undefined;
    const session = sessionRulesOf(cfg?.session, known);
    const agents = cfg?.agents;
    if (agents === undefined || agents === null) return routeOf(found, { roster: NO_AGENTS, session }, input);
    const { copy, made: roster } = this.#agents.of(agents, now);
    try {
      return routeOf(found, { roster, session }, input);
    } catch (error) {
      // Before a refusal for a missing agent: it may have been added meanwhile.
      if (saysRosterStill(copy, agents)) throw error;
      return routeOf(found, { roster: this.#agents.renew(agents, now).made, session }, input);
    }
  }

  #find(bindings: unknown, input: ResolveInput, now: number): FoundBinding {
    if (!Array.isArray(bindings)) return NO_BINDINGS.find(input);
    const { copy, made } = this.#bindings.of(bindings, now);
    const found = made.find(input);
    // The winner is compared on every call, whatever the number of bindings: it cannot have changed unnoticed.
    const was = copy[found.order];
    return was === undefined || saysStill(was, bindings[found.order])
      ? found
      : this.#bindings.renew(bindings, now).made.find(input);
  }
}

// The only state of this module: indexes of configs that are still in use, by the config's own arrays.
const resolver = new RouteResolver();

/** Routes one message. See docs/routing.md for when changes of `cfg` are detected. */
export const resolveAgentRoute = (input: ResolveInput): AgentRoute => resolver.resolve(input);
