// The palette: words lead to a session, a conversation, a page, or a command.

import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type { Command } from '../model/command.ts';
import type { Route } from '../model/route.ts';
import { Dialog } from '../ui/dialog.tsx';
import { RightIcon, SearchIcon } from '../ui/icons.tsx';
import { isPaletteChord } from '../ui/shortcuts.ts';
import { type Offer, offersFor } from './palette-match.ts';
import './palette.css';

interface PaletteProps {
  readonly sessions: readonly SessionInfo[];
  readonly conversations: readonly ConversationInfo[];
  readonly commands: readonly Command[];
  readonly onChoose: (route: Route) => void;
  readonly onClose: () => void;
}

export function Palette({ sessions, conversations, commands, onChoose, onClose }: PaletteProps) {
  const id = useId();
  const [text, setText] = useState('');
  const deferredText = useDeferredValue(text);
  const list = useRef<HTMLDivElement>(null);
  // A snapshot of the lists at opening: offers must not change while the user reads them.
  const [of] = useState({ sessions, conversations, commands });
  const offers = useMemo(() => offersFor({ text: deferredText, ...of }), [deferredText, of]);
  const [at, setAt] = useState(0);
  const active = Math.min(at, offers.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  });

  const take = (offer: Offer | undefined): void => {
    if (offer === undefined) return;
    // Closed before the action, which may take the focus or open another dialog.
    flushSync(onClose);
    if ('to' in offer.act) onChoose(offer.act.to);
    else offer.act.run();
  };
  const pressed = (event: KeyboardEvent): void => {
    if (isPaletteChord(event) || (event.ctrlKey && event.key === 'k')) {
      event.preventDefault();
      if (!event.repeat) onClose();
      return;
    }
    const last = offers.length - 1;
    const to: Readonly<Record<string, number>> = {
      ArrowDown: active === last ? 0 : active + 1,
      ArrowUp: active === 0 ? last : active - 1,
      PageDown: Math.min(last, active + 8),
      PageUp: Math.max(0, active - 8),
    };
    const next = to[event.key];
    if (next !== undefined) setAt(next);
    // While a word is being composed, Enter belongs to the input method.
    else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      // The shown offers may belong to the previous letters.
      take(deferredText === text ? offers[active] : offersFor({ text, ...of })[0]);
    } else return;
    event.preventDefault();
  };

  return (
    <Dialog label="Search or run a command" kind="palette" onClose={onClose}>
      <div className="palette-field">
        <SearchIcon />
        <input
          autoFocus
          type="text"
          role="combobox"
          aria-label="Session, conversation, page or action"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={active < 0 ? undefined : `${id}-${active}`}
          aria-autocomplete="list"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          placeholder="Search or run a command…"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={pressed}
          data-testid="palette-text"
        />
      </div>
      {/* A list box may not be empty, and this one never is: a search for the words is always possible. */}
      <div className="palette-offers" role="listbox" id={`${id}-list`} aria-label="What fits" ref={list}>
        {offers.map((offer, n) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus, and its keys choose
          <div
            key={offer.key}
            id={`${id}-${n}`}
            className="palette-offer"
            role="option"
            tabIndex={-1}
            aria-selected={n === active}
            onPointerMove={() => setAt(n)}
            onClick={() => take(offer)}
            data-testid="palette-offer"
          >
            {offer.mark === undefined ? <RightIcon /> : <span className={`dot ${offer.mark}`} />}
            <span className="clip">{offer.name}</span>
            {offer.more !== '' && <small>{offer.more}</small>}
          </div>
        ))}
      </div>
    </Dialog>
  );
}
