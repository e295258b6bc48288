// The find bar over the loaded output: a field, the number of matches, and buttons for the next and the previous one.

import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { addressOf } from '../model/route.ts';
import { CloseIcon, DownIcon } from '../ui/icons.tsx';
import type { FindResult } from './finder.ts';
import './find-bar.css';

interface FindBarProps {
  readonly found: FindResult;
  /** The session for a search of all output; undefined if that is not available. */
  readonly session: string | undefined;
  readonly onFind: (query: string, isOlder: boolean, isExact: boolean) => void;
  readonly onClose: () => void;
}

export function FindBar({ found, session, onFind, onClose }: FindBarProps) {
  const field = useRef<HTMLInputElement>(null);
  const [query, setQuery] = useState('');
  const [isExact, setExact] = useState(false);
  useEffect(() => field.current?.focus(), []);
  const key = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onClose();
    else if (event.key === 'Enter') onFind(query, !event.shiftKey, isExact);
    else return;
    event.preventDefault();
  };
  return (
    <search className="find" aria-label="Find in what is loaded" data-testid="find" onKeyDown={key}>
      <div className="find-row">
        <input
          ref={field}
          type="text"
          value={query}
          placeholder="Find in what is loaded"
          aria-label="Find in what is loaded"
          autoComplete="off"
          spellCheck={false}
          data-testid="find-text"
          onChange={({ target }) => {
            setQuery(target.value);
            onFind(target.value, true, isExact);
          }}
        />
        <span className="find-count" role="status" data-testid="find-count">
          {countText(query, found)}
        </span>
        <button
          type="button"
          className="button quiet square"
          aria-pressed={isExact}
          aria-label="Match case"
          title="Match case"
          data-testid="find-case"
          onClick={() => {
            setExact(!isExact);
            onFind(query, true, !isExact);
          }}
        >
          Aa
        </button>
        <button
          type="button"
          className="button quiet square find-older"
          aria-label="Older match"
          title="Older match (Enter)"
          data-testid="find-older"
          onClick={() => onFind(query, true, isExact)}
        >
          <DownIcon />
        </button>
        <button
          type="button"
          className="button quiet square"
          aria-label="Newer match"
          title="Newer match (Shift+Enter)"
          data-testid="find-newer"
          onClick={() => onFind(query, false, isExact)}
        >
          <DownIcon />
        </button>
        <button type="button" className="button quiet square" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      {found.isFailed === true && query !== '' && (
        <div className="find-failed" role="alert" data-testid="find-failed">
          <span>Finding could not be loaded.</span>
          <button type="button" className="button" onClick={() => location.reload()}>
            Reload the page
          </button>
        </div>
      )}
      {session !== undefined && (
        <a className="find-all" href={addressOf({ kind: 'search', q: query, session })} data-testid="find-all">
          Search all of the output
        </a>
      )}
    </search>
  );
}

function countText(query: string, { at, count, isMore, isFailed = false }: FindResult): string {
  if (query === '') return '';
  if (isFailed) return '';
  if (count === 0) return 'None';
  const all = isMore ? `${count.toLocaleString()}+` : count.toLocaleString();
  return at === 0 ? all : `${at.toLocaleString()} of ${all}`;
}
