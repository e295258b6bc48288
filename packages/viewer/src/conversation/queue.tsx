// The queued messages: read, edit and withdraw.

import type { BinnacleError, MessageInfo } from '@binnacle/protocol';
import { useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { Failure } from '../ui/failure.tsx';
import { CloseIcon, PencilIcon } from '../ui/icons.tsx';
import { nameOf } from './format.ts';
import './queue.css';

interface QueueProps {
  readonly queue: readonly MessageInfo[];
  /** The current user, whose own messages need no name. */
  readonly user: string;
  /** Undefined for a viewer without the right to write. */
  readonly acts:
    | {
        readonly edit: (id: string, text: string) => Promise<unknown>;
        readonly cancel: (id: string) => Promise<unknown>;
        /** Ends the run, and withdraws all queued messages. */
        readonly stopAll: () => Promise<unknown>;
      }
    | undefined;
}

export function Queue({ queue, user, acts }: QueueProps) {
  const [error, setError] = useState<BinnacleError>();
  if (queue.length === 0) return null;
  const run = async (act: Promise<unknown>): Promise<boolean> => {
    setError(undefined);
    try {
      await act;
      return true;
    } catch (cause) {
      setError(asFailure(cause));
      return false;
    }
  };
  return (
    <section className="queue" aria-label="Waiting messages" data-testid="queue">
      <header>
        <h3>
          {queue.length} {queue.length === 1 ? 'message waits' : 'messages wait'}
        </h3>
        {acts !== undefined && (
          <button
            type="button"
            className="button quiet queue-all"
            onClick={() => void run(acts.stopAll())}
            title="End the run, and take back all messages that wait"
            data-testid="stop-all"
          >
            Stop all
          </button>
        )}
      </header>
      <ol>
        {queue.map((message) => (
          <QueuedMessage
            key={message.id}
            message={message}
            isMine={message.by.user === user}
            onEdit={acts === undefined ? undefined : (text) => run(acts.edit(message.id, text))}
            onCancel={acts === undefined ? undefined : () => run(acts.cancel(message.id))}
          />
        ))}
      </ol>
      {error !== undefined && <Failure error={error} />}
    </section>
  );
}

interface QueuedMessageProps {
  readonly message: MessageInfo;
  readonly isMine: boolean;
  readonly onEdit: ((text: string) => Promise<boolean>) | undefined;
  readonly onCancel: (() => Promise<boolean>) | undefined;
}

function QueuedMessage({ message, isMine, onEdit, onCancel }: QueuedMessageProps) {
  const [text, setText] = useState<string>();
  const [busy, setBusy] = useState(false);
  const edit = useRef<HTMLButtonElement>(null);
  const act = (run: () => Promise<boolean>, after: (done: boolean) => void): void => {
    setBusy(true);
    void run().then((done) => {
      setBusy(false);
      after(done);
    });
  };
  const leave = (): void => {
    setText(undefined);
    // The field disappears; its Edit button exists again in the next frame.
    requestAnimationFrame(() => edit.current?.focus());
  };
  if (text !== undefined && onEdit !== undefined) {
    const save = (): void =>
      act(
        () => onEdit(text),
        (done) => done && leave(),
      );
    return (
      <li data-testid="queued" data-message={message.id}>
        <textarea
          rows={Math.min(8, text.split('\n').length + 1)}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') leave();
          }}
          aria-label="Change the message"
          // biome-ignore lint/a11y/noAutofocus: the user pressed Edit to write here
          autoFocus
          data-testid="queued-text"
        />
        <div className="queue-acts">
          <button type="button" className="button" onClick={leave}>
            Leave as it was
          </button>
          <button
            type="button"
            className="button primary"
            disabled={busy || text.trim() === ''}
            onClick={save}
            data-testid="queued-save"
          >
            Save
          </button>
        </div>
      </li>
    );
  }
  return (
    <li data-testid="queued" data-message={message.id}>
      <p className="queue-text clip">{message.text}</p>
      {!isMine && <span className="queue-by">{nameOf(message.by)}</span>}
      {onEdit !== undefined && (
        <button
          ref={edit}
          type="button"
          className="button quiet square"
          aria-label="Edit this message"
          title="Edit"
          onClick={() => setText(message.text)}
          data-testid="queued-edit"
        >
          <PencilIcon />
        </button>
      )}
      {onCancel !== undefined && (
        <button
          type="button"
          className="button quiet square"
          aria-label="Take this message back"
          title="Take back"
          disabled={busy}
          onClick={() => act(onCancel, () => {})}
          data-testid="queued-cancel"
        >
          <CloseIcon />
        </button>
      )}
    </li>
  );
}
