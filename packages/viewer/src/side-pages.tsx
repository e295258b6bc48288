// The ways to what is no session and no conversation: the search over all output, and the traffic.

import { addressOf, type Choice } from './choice.ts';
import { SearchIcon, TrafficIcon } from './icons.tsx';
import { SearchBox } from './search-box.tsx';

interface SidePagesProps {
  readonly chosen: Choice | undefined;
  readonly onChoose: (choice: Choice) => void;
}

export function SidePages({ chosen, onChoose }: SidePagesProps) {
  return (
    <div className="side-pages">
      {/* A search that is shown has its field on its page; two of them would ask which one counts. */}
      {chosen?.kind === 'search' ? (
        <a className="side-page" href={addressOf(chosen)} aria-current="page">
          <SearchIcon /> Search
        </a>
      ) : (
        <SearchBox
          q=""
          placeholder="Search all output"
          onSearch={(q) => onChoose({ kind: 'search', q })}
          test="side-search"
        />
      )}
      <a
        className="side-page"
        href={addressOf({ kind: 'traffic', ask: {} })}
        aria-current={chosen?.kind === 'traffic' ? 'page' : undefined}
        onClick={(event) => {
          // With a modifier it is the browser's: another tab.
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onChoose({ kind: 'traffic', ask: {} });
        }}
        data-testid="side-traffic"
      >
        <TrafficIcon /> Traffic
      </a>
    </div>
  );
}
