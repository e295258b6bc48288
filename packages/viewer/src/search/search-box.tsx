// The field for a search over the output of all sessions.

import { useEffect, useState } from 'react';
import { SearchIcon } from '../ui/icons.tsx';
import './search-box.css';

interface SearchBoxProps {
  /** The current search words. */
  readonly q: string;
  readonly placeholder: string;
  readonly autoFocus?: boolean;
  readonly onSearch: (q: string) => void;
  readonly test: string;
}

export function SearchBox({ q, placeholder, autoFocus = false, onSearch, test }: SearchBoxProps) {
  const [text, setText] = useState(q);
  // Back, forward and links change the search, too.
  useEffect(() => setText(q), [q]);
  return (
    <search className="search-box">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSearch(text.trim());
        }}
      >
        <SearchIcon />
        <input
          type="search"
          value={text}
          placeholder={placeholder}
          aria-label="Search the output of all sessions"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          enterKeyHint="search"
          // biome-ignore lint/a11y/noAutofocus: the page of a search that has no words yet is there to type them.
          autoFocus={autoFocus}
          onChange={(event) => setText(event.target.value)}
          data-testid={test}
        />
        <button type="submit" className="sr-only">
          Search
        </button>
      </form>
    </search>
  );
}
