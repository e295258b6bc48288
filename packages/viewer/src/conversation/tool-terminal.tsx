// The terminal in which a tool's command runs, live, inside the conversation: to look at. One types into it on its own page.

import '@binnacle/client/react.css';
import type { Binnacle } from '@binnacle/client';
import { BinnacleProvider, SessionTerminal } from '@binnacle/client/react';
import '../terminal/xterm-input.css';
import './tool-terminal.css';

interface ToolTerminalProps {
  readonly client: Binnacle;
  readonly session: string;
}

/** Enough to read what is under way; the whole is one click further. */
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
