// The terminal of a tool's command, live inside the conversation and read-only. Input is possible on the session's own
// page.

import '@binnacle/client/react.css';
import type { Binnacle } from '@binnacle/client';
import { BinnacleProvider, SessionTerminal } from '@binnacle/client/react';
import '../terminal/xterm-input.css';
import './tool-terminal.css';

interface ToolTerminalProps {
  readonly client: Binnacle;
  readonly session: string;
}

/** Lines to keep: enough to follow the command; the whole output is one click further. */
const LINES = 500;

export function ToolTerminal({ client, session }: ToolTerminalProps) {
  return (
    <div className="tool-terminal" data-testid="tool-terminal">
      <BinnacleProvider client={client}>
        <SessionTerminal
          id={session}
          readOnly
          fit={false}
          fontSize={12}
          scrollback={LINES}
          label="The agent’s terminal"
        />
      </BinnacleProvider>
    </div>
  );
}
