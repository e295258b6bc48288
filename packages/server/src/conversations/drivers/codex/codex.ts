// The driver `codex`: `codex app-server`, one process per conversation.

import type { ProcessDriver } from '../driver.ts';
import { CodexLink } from './link.ts';
import type { CodexState } from './state.ts';

export const codexDriver: ProcessDriver = {
  name: 'codex',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  steer: ['queue', 'inject', 'interrupt'],
  approvals: true,
  launch: (agent) => ({ argv: agent.command ?? ['codex', 'app-server'] }),
  link: (agent, out, parts) => new CodexLink(agent, out, parts),
  memoryOf(state) {
    // The state of an earlier link.
    const { thread, isUsed } = state as Partial<CodexState>;
    return isUsed === true ? (thread ?? null) : null;
  },
};
