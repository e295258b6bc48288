// The choice of an agent for a new conversation, if there is more than one.

import type { AgentInfo, BinnacleError } from '@binnacle/protocol';
import { useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { TalkIcon } from '../ui/icons.tsx';
import './new-conversation.css';

interface NewConversationProps {
  readonly agents: readonly AgentInfo[];
  readonly onCreate: (agent: string) => Promise<void>;
  readonly onClose: () => void;
}

export function NewConversation({ agents, onCreate, onClose }: NewConversationProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const create = (agent: string): void => {
    setBusy(true);
    setError(undefined);
    onCreate(agent)
      .then(onClose, (cause: unknown) => setError(asFailure(cause)))
      .finally(() => setBusy(false));
  };
  const sorted = [...agents].sort((a, b) => Number(b.isDefault) - Number(a.isDefault));
  return (
    <Dialog label="New conversation" onClose={onClose}>
      <h2>New conversation with</h2>
      <ul className="agents" data-testid="agents">
        {sorted.map((agent) => (
          <li key={agent.id}>
            <button
              type="button"
              className="agent"
              disabled={busy}
              onClick={() => create(agent.id)}
              data-testid="agent"
              data-agent={agent.id}
            >
              <TalkIcon />
              <strong>{agent.id}</strong>
              <span>
                {agent.driver}
                {agent.isDefault ? ', the default' : ''}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {error !== undefined && <Failure error={error} />}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
