// The pane without a selection, or for a missing one: shows how to begin.

import type { ReactNode } from 'react';
import type { Route } from '../model/route.ts';
import { Compass, PlusIcon, TalkIcon } from '../ui/icons.tsx';
import './empty-pane.css';

interface EmptyPaneProps {
  /** The kind of a route whose target is missing; undefined without a route, or while that is not known. */
  readonly missingKind: Route['kind'] | undefined;
  /** The kind of an address that cannot name anything valid. */
  readonly unknownKind: 'session' | 'conversation' | undefined;
  /** Number of sessions and conversations that wait for a person. */
  readonly waiting: number;
  readonly starting: boolean;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  /** Undefined if this token may not start sessions. */
  readonly onShell: (() => void) | undefined;
  /** True if this token may write to agents, and agents exist or are not known yet. */
  readonly mayTalk: boolean;
  /** Undefined until agents are known to exist. */
  readonly onTalk: (() => void) | undefined;
}

export function EmptyPane({
  missingKind,
  unknownKind,
  waiting,
  starting,
  menu,
  notices,
  onShell,
  mayTalk,
  onTalk,
}: EmptyPaneProps) {
  return (
    <main className="main">
      <header className="bar bar-bare">{menu}</header>
      <div className="empty" data-testid="empty">
        <Compass large />
        <h2>
          {unknownKind !== undefined
            ? `There is no such ${unknownKind}`
            : missingKind === undefined
              ? emptyTitle(waiting)
              : `That ${missingKind} is gone`}
        </h2>
        {unknownKind !== undefined && <p>No {unknownKind} at this address.</p>}
        {waiting > 0 && unknownKind === undefined && missingKind === undefined && (
          <p>{waiting === 1 ? 'It is' : 'They are'} first in the list.</p>
        )}
        <p>
          {onShell === undefined
            ? 'Choose from the list what you want to watch.'
            : 'Programs keep running when you close this page.'}
        </p>
        <div className="empty-acts">
          {mayTalk && (
            <button
              type="button"
              className="button"
              onClick={onTalk}
              disabled={starting || onTalk === undefined}
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
              <PlusIcon /> {starting ? 'Starting…' : 'New terminal'}
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

const emptyTitle = (waiting: number): string =>
  waiting === 0 ? 'Nothing needs you' : waiting === 1 ? '1 needs you' : `${waiting} need you`;
