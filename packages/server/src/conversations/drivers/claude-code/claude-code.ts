// The driver `claude-code`: `claude -p` with stream-json both ways, one process for a conversation.

import type { ProcessDriver } from '../driver.ts';
import { ClaudeCodeLink, type ClaudeCodeState } from './link.ts';

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
  // Its answer is not a yes or a no. Without the tool the model asks in words.
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
    // What a link of ours left. Empty: there was one, and it is gone.
    const { session, isForgotten } = state as Partial<ClaudeCodeState>;
    return isForgotten === true ? '' : (session ?? null);
  },
};
