// Links to the pages other than sessions and conversations: search, traffic, recordings, plugins, tokens.

import type { ReactNode } from 'react';
import { addressOf, type Choice } from '../model/route.ts';
import { SearchBox } from '../search/search-box.tsx';
import { FilmIcon, LockIcon, PluginIcon, SearchIcon, TrafficIcon } from '../ui/icons.tsx';
import './sidebar-pages.css';

interface SidePagesProps {
  readonly chosen: Choice | undefined;
  /** True if this token may manage plugins and tokens. */
  readonly mayManage: boolean;
  readonly onChoose: (choice: Choice) => void;
}

export function SidePages({ chosen, mayManage, onChoose }: SidePagesProps) {
  return (
    <div className="side-pages">
      {/* The page of a search has its own field; two fields would raise the question which one counts. */}
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
      <PageLink to={{ kind: 'traffic', ask: {} }} chosen={chosen} onChoose={onChoose}>
        <TrafficIcon /> Traffic
      </PageLink>
      <PageLink to={{ kind: 'recordings' }} chosen={chosen} onChoose={onChoose}>
        <FilmIcon /> Recordings
      </PageLink>
      {mayManage && (
        <>
          <PageLink to={{ kind: 'plugins' }} chosen={chosen} onChoose={onChoose}>
            <PluginIcon /> Plugins
          </PageLink>
          <PageLink to={{ kind: 'tokens' }} chosen={chosen} onChoose={onChoose}>
            <LockIcon /> Tokens
          </PageLink>
        </>
      )}
    </div>
  );
}

interface PageLinkProps extends Omit<SidePagesProps, 'mayManage'> {
  readonly to: Choice;
  readonly children: ReactNode;
}

function PageLink({ to, chosen, onChoose, children }: PageLinkProps) {
  return (
    <a
      className="side-page"
      href={addressOf(to)}
      aria-current={chosen?.kind === to.kind ? 'page' : undefined}
      onClick={(event) => {
        // A click with a modifier key belongs to the browser: a new tab.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onChoose(to);
      }}
      data-testid={`side-${to.kind}`}
    >
      {children}
    </a>
  );
}
