// What stands where nothing is chosen, or what was chosen is gone: how to begin.

import type { ReactNode } from 'react';
import { Compass, PlusIcon, TalkIcon } from './icons.tsx';

interface EmptyDeckProps {
  /** What the address names and is not there; undefined where it names nothing, or nobody knows yet. */
  readonly gone: 'session' | 'conversation' | undefined;
  /** What the address means and cannot be the name of anything. */
  readonly stray: 'session' | 'conversation' | undefined;
  readonly starting: boolean;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  /** Undefined when this token may not start sessions. */
  readonly onShell: (() => void) | undefined;
  /** Undefined when this token may not write to agents, or there are none. */
  readonly onTalk: (() => void) | undefined;
}

export function EmptyDeck({ gone, stray, starting, menu, notices, onShell, onTalk }: EmptyDeckProps) {
  return (
    <main className="main">
      <header className="bar bar-bare">{menu}</header>
      <div className="empty" data-testid="empty">
        <Compass large />
        <h2>
          {stray !== undefined
            ? `There is no such ${stray}`
            : gone === undefined
              ? 'All quiet on deck'
              : `That ${gone} is gone`}
        </h2>
        {stray !== undefined && <p>What the address names is no {stray}: it may be cut, or mistyped.</p>}
        <p>
          {onShell === undefined
            ? 'Choose from the list what you want to watch.'
            : 'Start a shell or talk to an agent, or choose from the list. Both go on when you leave.'}
        </p>
        <div className="empty-acts">
          {onTalk !== undefined && (
            <button
              type="button"
              className="button"
              onClick={onTalk}
              disabled={starting}
              data-testid="empty-new-conversation"
            >
              <TalkIcon /> New conversation
            </button>
          )}
          {onShell !== undefined && (
            <button
              type="button"
              className="button primary"
              onClick={onShell}
              disabled={starting}
              data-testid="empty-new-shell"
            >
              <PlusIcon /> {starting ? 'Starting…' : 'New shell'}
            </button>
          )}
        </div>
      </div>
      <div className="notices" aria-live="polite" data-testid="notices">
        {notices}
      </div>
    </main>
  );
}
