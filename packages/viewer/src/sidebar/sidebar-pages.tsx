// Links to the pages other than sessions and conversations: search, traffic, recordings, plugins, tokens.

import type { ReactNode } from 'react';
import { addressOf, type Route } from '../model/route.ts';
import { SearchBox } from '../search/search-box.tsx';
import { FilmIcon, LockIcon, PluginIcon, SearchIcon, TrafficIcon } from '../ui/icons.tsx';
import './sidebar-pages.css';

interface SidebarPagesProps {
  readonly route: Route | undefined;
  /** True if this token may manage plugins and tokens. */
  readonly mayManage: boolean;
  readonly onChoose: (route: Route) => void;
}

export function SidebarPages({ route, mayManage, onChoose }: SidebarPagesProps) {
  return (
    <div className="sidebar-pages">
      {/* The page of a search has its own field; two fields would raise the question which one counts. */}
      {route?.kind === 'search' ? (
        <a className="sidebar-page" href={addressOf(route)} aria-current="page">
          <SearchIcon /> Search
        </a>
      ) : (
        <SearchBox
          q=""
          placeholder="Search all output"
          onSearch={(q) => onChoose({ kind: 'search', q })}
          test="sidebar-search"
        />
      )}
      <PageLink to={{ kind: 'traffic', filter: {} }} route={route} onChoose={onChoose}>
        <TrafficIcon />
        {/* Two words take two lines in the sidebar. */}
        <span>
          Remote<span className="sr-only"> programs</span>
        </span>
      </PageLink>
      <PageLink to={{ kind: 'recordings' }} route={route} onChoose={onChoose}>
        <FilmIcon /> Recordings
      </PageLink>
      {mayManage && (
        <>
          <PageLink to={{ kind: 'plugins' }} route={route} onChoose={onChoose}>
            <PluginIcon /> Plugins
          </PageLink>
          <PageLink to={{ kind: 'tokens' }} route={route} onChoose={onChoose}>
            <LockIcon /> Tokens
          </PageLink>
        </>
      )}
    </div>
  );
}

interface PageLinkProps extends Omit<SidebarPagesProps, 'mayManage'> {
  readonly to: Route;
  readonly children: ReactNode;
}

function PageLink({ to, route, onChoose, children }: PageLinkProps) {
  return (
    <a
      className="sidebar-page"
      href={addressOf(to)}
      aria-current={route?.kind === to.kind ? 'page' : undefined}
      onClick={(event) => {
        // A click with a modifier key belongs to the browser: a new tab.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onChoose(to);
      }}
      data-testid={`sidebar-${to.kind}`}
    >
      {children}
    </a>
  );
}
