// The terminal of a tool's command, live inside the conversation and read-only. Input is possible on the session's own
// page.

import '@binnacle/client/react.css';
import { SessionTerminal } from '@binnacle/client/react';
import '../terminal/xterm-input.css';
import './tool-terminal.css';

/** Lines to keep: enough to follow the command; the whole output is one click further. */
const LINES = 500;

export function ToolTerminal({ session }: { readonly session: string }) {
  return (
    <div className="tool-terminal" data-testid="tool-terminal">
      <SessionTerminal
        id={session}
        readOnly
        fit={false}
        fontSize={12}
        scrollback={LINES}
        label="The agent’s terminal"
      />
    </div>
  );
}
