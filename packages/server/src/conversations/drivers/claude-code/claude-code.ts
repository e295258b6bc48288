// The driver `claude-code`: `claude -p` with stream-json in both directions, one process per conversation.

import type { ProcessDriver } from '../driver.ts';
import { ClaudeCodeLink } from './link.ts';
import type { ClaudeCodeState } from './state.ts';

const FLAGS = [
  '-p',
  '--input-format',
  'stream-json',
  '--output-format',
  'stream-json',
  '--verbose',
  '--include-partial-messages',
  '--replay-user-messages',
  '--permission-prompt-tool',
  'stdio',
  // The answer of this tool is neither yes nor no. Without the tool the model asks in its text.
  '--disallowed-tools',
  'AskUserQuestion',
] as const;

export const claudeCodeDriver: ProcessDriver = {
  name: 'claude-code',
  kind: 'process',
  reads: 'lines',
  life: 'conversation',
  steer: ['queue', 'inject', 'interrupt'],
  approvals: true,
  launch({ command = ['claude'], model, instructions }, { memory }) {
    return {
      argv: [
        ...command,
        ...FLAGS,
        ...(model === undefined ? [] : ['--model', model]),
        ...(instructions === undefined ? [] : ['--append-system-prompt', instructions]),
        ...(memory === null || memory === '' ? [] : ['--resume', memory]),
      ],
    };
  },
  link: (_agent, out, parts) => new ClaudeCodeLink(out, parts),
  memoryOf(state) {
    // The state of an earlier link. Empty string: the earlier session is gone.
    const { session, isForgotten } = state as Partial<ClaudeCodeState>;
    return isForgotten === true ? '' : (session ?? null);
  },
};
