// How often an agent may be answered with no. An answer costs an entry in a log and a line on its stdin, a request some
// bytes that nobody waits for.

import { BinnacleError } from '@binnacle/protocol';

/** In one turn. An agent that is told so often that it cannot have something is not listening. */
const MAX_REFUSED = 1000;

/** One more than before. Throws `agent_flood`. */
export function oneMoreRefused(refused: number): number {
  if (refused < MAX_REFUSED) return refused + 1;
  const message = `The agent keeps asking for what it cannot have: ${MAX_REFUSED} times in this turn.`;
  throw new BinnacleError('agent_flood', { message });
}
