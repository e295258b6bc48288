// Presence in a session: a button with the number of viewers, their names behind the button, and lease requests and
// handovers.

import type { WatchersChange } from '@binnacle/client';
import type { Watcher } from '@binnacle/protocol';
import { useId, useRef } from 'react';
import { person } from '../model/format.ts';
import { PeopleIcon } from '../ui/icons.tsx';
import type { LeaseStatus } from './lease-button.tsx';
import './session-menu.css';
import './presence.css';

interface PresenceButtonProps {
  readonly presence: WatchersChange;
  readonly leaseStatus: LeaseStatus;
  /** True if this page asked for the lease and has no answer yet. */
  readonly hasRequested: boolean;
  readonly onAsk: () => void;
  readonly onTransfer: (to: string) => void;
}

export function PresenceButton({ presence, leaseStatus, hasRequested, onAsk, onTransfer }: PresenceButtonProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const { watchers, count, you } = presence;
  const label = count === 1 ? 'Only you watch this' : `${count.toLocaleString()} watch this`;
  // This page's own entry comes first.
  const listed = [...watchers.filter((one) => one.id === you), ...watchers.filter((one) => one.id !== you)];
  return (
    <>
      <button
        type="button"
        className="button quiet watchers-button"
        aria-label={count === 1 ? `1: ${label}` : label}
        title={label}
        data-alone={count === 1}
        popoverTarget={id}
        data-testid="watchers"
      >
        <PeopleIcon />
        <span data-testid="watchers-count">{count.toLocaleString()}</span>
      </button>
      <div ref={list} id={id} popover="auto" className="menu" data-testid="watchers-list">
        <p className="menu-head">{label}</p>
        <ul className="watchers">
          {listed.map((one) => (
            <li key={one.id} data-testid="watcher">
              <span>
                {person(one.name)}
                {one.id === you && <small> you</small>}
                {one.isGuest && <small> guest</small>}
                {!one.maySteer && <small> watches only</small>}
              </span>
              {leaseStatus.kind === 'yours' && one.id !== you && one.maySteer && (
                <button
                  type="button"
                  className="button"
                  data-testid="transfer-lease"
                  onClick={() => {
                    list.current?.hidePopover();
                    onTransfer(one.id);
                  }}
                >
                  Hand over
                </button>
              )}
            </li>
          ))}
          {count > watchers.length && <li>and {(count - watchers.length).toLocaleString()} more</li>}
        </ul>
        {leaseStatus.kind === 'taken' && (
          <button
            type="button"
            className="button"
            disabled={hasRequested}
            data-testid="ask-for-lease"
            onClick={() => {
              list.current?.hidePopover();
              onAsk();
            }}
          >
            {hasRequested ? `${leaseStatus.holder} was asked` : `Ask ${leaseStatus.holder} for control`}
          </button>
        )}
      </div>
    </>
  );
}

interface LeaseRequestProps {
  readonly by: Watcher;
  readonly onTransfer: () => void;
  readonly onNotNow: () => void;
}

/** Shows a lease request to the holder. Takes no focus: a key that is just being typed must not answer the request. */
export function LeaseRequest({ by, onTransfer, onNotNow }: LeaseRequestProps) {
  const name = person(by.name);
  return (
    <dialog open className="lease-request" aria-label={`${name} asks for control`} data-testid="lease-request">
      <p role="alert">
        <strong>{name}</strong> asks for control.
      </p>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onNotNow} data-testid="not-now">
          Not now
        </button>
        <button type="button" className="button primary" onClick={onTransfer} data-testid="grant-lease">
          Hand over
        </button>
      </div>
    </dialog>
  );
}
