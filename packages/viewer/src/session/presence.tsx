// Presence in a session: a button with the number of viewers, their names behind the button, and lease requests and
// handovers.

import type { WatchersChange } from '@binnacle/client';
import type { Watcher } from '@binnacle/protocol';
import { useId, useRef } from 'react';
import { person } from '../model/format.ts';
import { PeopleIcon } from '../ui/icons.tsx';
import type { Helm } from './lease-button.tsx';
import './session-menu.css';
import './presence.css';

interface WatchersButtonProps {
  readonly watched: WatchersChange;
  readonly helm: Helm;
  /** True if this page asked for the lease and has no answer yet. */
  readonly isAsked: boolean;
  readonly onAsk: () => void;
  readonly onHandOver: (to: string) => void;
}

export function WatchersButton({ watched, helm, isAsked, onAsk, onHandOver }: WatchersButtonProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const { watchers, count, you } = watched;
  const words = count === 1 ? 'Only you watch this' : `${count.toLocaleString()} watch this`;
  // This page's own entry comes first.
  const listed = [...watchers.filter((one) => one.id === you), ...watchers.filter((one) => one.id !== you)];
  return (
    <>
      <button
        type="button"
        className="button quiet watchers-button"
        aria-label={count === 1 ? `1: ${words}` : words}
        title={words}
        data-alone={count === 1}
        popoverTarget={id}
        data-testid="watchers"
      >
        <PeopleIcon />
        <span data-testid="watchers-count">{count.toLocaleString()}</span>
      </button>
      <div ref={list} id={id} popover="auto" className="menu" data-testid="watchers-list">
        <p className="menu-head">{words}</p>
        <ul className="watchers">
          {listed.map((one) => (
            <li key={one.id} data-testid="watcher">
              <span>
                {person(one.name)}
                {one.id === you && <small> you</small>}
                {one.isGuest && <small> guest</small>}
                {!one.maySteer && <small> watches only</small>}
              </span>
              {helm.kind === 'yours' && one.id !== you && one.maySteer && (
                <button
                  type="button"
                  className="button"
                  data-testid="hand-over"
                  onClick={() => {
                    list.current?.hidePopover();
                    onHandOver(one.id);
                  }}
                >
                  Hand over
                </button>
              )}
            </li>
          ))}
          {count > watchers.length && <li>and {(count - watchers.length).toLocaleString()} more</li>}
        </ul>
        {helm.kind === 'held' && (
          <button
            type="button"
            className="button"
            disabled={isAsked}
            data-testid="ask-helm"
            onClick={() => {
              list.current?.hidePopover();
              onAsk();
            }}
          >
            {isAsked ? `${helm.holder} was asked` : `Ask ${helm.holder} for the helm`}
          </button>
        )}
      </div>
    </>
  );
}

interface HelmAskedProps {
  readonly by: Watcher;
  readonly onHandOver: () => void;
  readonly onNotNow: () => void;
}

/** Shows a lease request to the holder. Takes no focus: a key that is just being typed must not answer the request. */
export function HelmAsked({ by, onHandOver, onNotNow }: HelmAskedProps) {
  const name = person(by.name);
  return (
    <dialog open className="helm-asked" aria-label={`${name} asks for the helm`} data-testid="helm-asked">
      <p role="alert">
        <strong>{name}</strong> asks for the helm.
      </p>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onNotNow} data-testid="not-now">
          Not now
        </button>
        <button type="button" className="button primary" onClick={onHandOver} data-testid="asked-hand-over">
          Hand over
        </button>
      </div>
    </dialog>
  );
}
