// The public interface of routing. The module imports no other part of the server and no package.

export { createRouter, type Router } from './create-router.ts';
export type { Candidate, Explanation, TierReport } from './explain.ts';
export { type BindingProblem, checkBindings } from './problems.ts';
export { type ResolveInput, resolveAgentRoute } from './resolve-route.ts';
export {
  type AgentRoute as Route,
  type Binding,
  type BindingMatch,
  type DmScope,
  type GroupScope,
  type MatchedBy,
  type Peer,
  RouteError,
  type RouteErrorCode,
  type RouteInput,
  type RoutingConfig,
  TIERS,
} from './route.ts';
export {
  agentSessionKey,
  groupHistoryKey,
  isUnscopedKey,
  type KeyShape,
  keyShape,
  mainSessionKey,
  type ParsedKey,
  parseSessionKey,
  parseThreadKey,
  type SpecialKey,
  specialKey,
  type ThreadKeys,
  threadKeys,
} from './session-key.ts';
