// The choice of an agent for a new conversation, if there is more than one.

import type { AgentInfo } from '@binnacle/protocol';
import { useRequest } from '../state/use-request.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { TalkIcon } from '../ui/icons.tsx';
import './new-conversation.css';

interface NewConversationProps {
  readonly agents: readonly AgentInfo[];
  readonly onCreate: (agent: string) => Promise<void>;
  readonly onClose: () => void;
}

export function NewConversation({ agents, onCreate, onClose }: NewConversationProps) {
  const { busy, error, run } = useRequest();
  const create = (agent: string): void => run(onCreate(agent), onClose);
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
      <DialogButtons onClose={onClose} />
    </Dialog>
  );
}
