// The settings of a conversation: title, visibility and removal.

import type { BinnacleError, ConversationInfo, Visibility } from '@binnacle/protocol';
import { type FormEvent, useId, useState } from 'react';
import { conversationTitle } from '../model/conversations.ts';
import { useRequest } from '../state/use-request.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { usageText } from './format.ts';
import './settings-dialog.css';

export interface ConversationChange {
  readonly title?: string;
  readonly visibility?: Visibility;
}

interface ConversationSettingsProps {
  readonly info: ConversationInfo;
  /** The current user. */
  readonly user: string;
  /** Undefined for a viewer without the right to change settings. */
  readonly acts:
    | { readonly change: (change: ConversationChange) => Promise<unknown>; readonly remove: () => Promise<unknown> }
    | undefined;
  readonly onClose: () => void;
}

export function ConversationSettings({ info, user, acts, onClose }: ConversationSettingsProps) {
  const [title, setTitle] = useState(info.title);
  const [kind, setKind] = useState(info.visibility.kind);
  const [people, setPeople] = useState(info.visibility.kind === 'shared' ? info.visibility.with.join(', ') : '');
  const [removing, setRemoving] = useState(false);
  const { busy, error, run } = useRequest();
  const id = useId();
  const users = [...new Set(people.split(/[\s,;]+/).filter(Boolean))];

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (acts === undefined) return;
    const visibility: Visibility = kind === 'shared' ? { kind, with: users } : { kind };
    const change = {
      ...(title.trim() === info.title ? {} : { title: title.trim() }),
      ...(sameVisibility(visibility, info.visibility) ? {} : { visibility }),
    };
    if (Object.keys(change).length === 0) onClose();
    else run(acts.change(change), onClose);
  };

  if (removing && acts !== undefined) {
    return <RemoveConversation {...{ info, busy, error, onClose }} onRemove={() => run(acts.remove(), onClose)} />;
  }
  return (
    <Dialog label="About this conversation" onClose={onClose}>
      <form onSubmit={submit}>
        <h2>About this conversation</h2>
        <div className="dialog-fields">
          <div>
            <label htmlFor={`${id}-title`}>Title</label>
            <input
              id={`${id}-title`}
              value={title}
              maxLength={200}
              readOnly={acts === undefined}
              onChange={(event) => setTitle(event.target.value)}
              autoComplete="off"
              data-testid="settings-title"
            />
          </div>
          <div>
            <label htmlFor={`${id}-who`}>Who may see it</label>
            <select
              id={`${id}-who`}
              value={kind}
              disabled={acts === undefined}
              onChange={(event) => {
                const { value } = event.target;
                setKind(value === 'shared' || value === 'everyone' ? value : 'private');
              }}
              data-testid="settings-visibility"
            >
              <option value="private">
                {info.owner === null ? 'Only administrators' : info.owner === user ? 'Only you' : `Only ${info.owner}`}
              </option>
              <option value="shared">Shared: with some users</option>
              <option value="everyone">Everyone on this server</option>
            </select>
          </div>
          {kind === 'shared' && (
            <div>
              <label htmlFor={`${id}-users`}>Users, with commas between</label>
              <input
                id={`${id}-users`}
                value={people}
                readOnly={acts === undefined}
                onChange={(event) => setPeople(event.target.value)}
                autoComplete="off"
                autoCapitalize="off"
                spellCheck={false}
                data-testid="settings-users"
              />
            </div>
          )}
        </div>
        <ConversationFacts info={info} />
        {acts === undefined && <p>Only its owner and administrators can change this.</p>}
        {error !== undefined && <Failure error={error} />}
        <div className="dialog-buttons">
          {acts !== undefined && (
            <button
              type="button"
              className="button danger apart"
              onClick={() => setRemoving(true)}
              data-testid="settings-remove"
            >
              Remove…
            </button>
          )}
          <button type="button" className="button" onClick={onClose}>
            {acts === undefined ? 'Close' : 'Cancel'}
          </button>
          {acts !== undefined && (
            <button
              type="submit"
              className="button primary"
              disabled={busy || (kind === 'shared' && users.length === 0)}
              data-testid="settings-save"
            >
              Save
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

interface RemoveConversationProps {
  readonly info: ConversationInfo;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
  readonly onRemove: () => void;
  readonly onClose: () => void;
}

function RemoveConversation({ info, busy, error, onRemove, onClose }: RemoveConversationProps) {
  return (
    <Dialog label="Remove this conversation?" onClose={onClose}>
      <h2>Remove “{conversationTitle(info)}”?</h2>
      <p>
        {info.run === null ? '' : 'Its run is stopped. '}All that was said in it is removed from this machine. That
        cannot be undone.
      </p>
      {error !== undefined && <Failure error={error} />}
      <DialogButtons onClose={onClose}>
        <button type="button" className="button danger" disabled={busy} onClick={onRemove} data-testid="remove-yes">
          Remove
        </button>
      </DialogButtons>
    </Dialog>
  );
}

function ConversationFacts({ info }: { readonly info: ConversationInfo }) {
  const used = usageText(info.usage);
  return (
    <dl className="facts">
      <dt>Agent</dt>
      <dd>{info.agent}</dd>
      <dt>Owner</dt>
      <dd>{info.owner ?? 'nobody: a channel began it'}</dd>
      {used !== undefined && (
        <>
          <dt>Used so far</dt>
          <dd data-testid="settings-usage">{used}</dd>
        </>
      )}
      <dt>Key</dt>
      <dd>
        <code>{info.key}</code>
      </dd>
    </dl>
  );
}

function sameVisibility(a: Visibility, b: Visibility): boolean {
  if (a.kind !== 'shared' || b.kind !== 'shared') return a.kind === b.kind;
  return a.with.length === b.with.length && a.with.every((user) => b.with.includes(user));
}
