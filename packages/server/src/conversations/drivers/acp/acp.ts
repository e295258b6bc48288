// The driver `acp`: any agent that speaks the Agent Client Protocol over its stdin and stdout.

import { BinnacleError } from '@binnacle/protocol';
import type { ProcessDriver } from '../driver.ts';
import { AcpLink } from './link.ts';
import type { AcpState } from './state.ts';

export const acpDriver: ProcessDriver = {
  name: 'acp',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  // Version 1 of the protocol cannot inject a message into a turn.
  steer: ['queue', 'interrupt'],
  approvals: true,
  launch(agent) {
    const { command } = agent;
    if (command === undefined || command.length === 0) {
      throw new BinnacleError('bad_request', {
        message: `The agent "${agent.id}" has the driver "acp" and no command.`,
        hint: 'Add the program that speaks ACP, e.g. "command": ["opencode", "acp"] or ["gemini", "--acp"].',
      });
    }
    return { argv: command };
  },
  link: (agent, out, parts) => new AcpLink(agent, out, parts),
  memoryOf(state) {
    // The state of an earlier link.
    const { session, agent } = state as Partial<AcpState>;
    if (session === undefined || session === null || agent === undefined || agent === null) return null;
    return agent.loads || agent.resumes ? session : null;
  },
};
