// The limit of refused requests per turn. A refusal costs a log entry and a line on the agent's stdin; a request costs
// the agent only some bytes.

import { BinnacleError } from '@binnacle/protocol';

/** Maximum refusals per turn. An agent that ignores so many of them is stuck in a loop. */
const MAX_REFUSED = 1000;

/** Adds one refusal. Throws `agent_flood`. */
export function oneMoreRefused(refused: number): number {
  if (refused < MAX_REFUSED) return refused + 1;
  const message = `The agent keeps asking for what it cannot have: ${MAX_REFUSED} times in this turn.`;
  throw new BinnacleError('agent_flood', { message });
}
