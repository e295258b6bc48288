// A page that is no terminal: its header, what scrolls, what is to be said below; and what it says when it is empty.

import type { BinnacleError } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { Failure } from './failure.tsx';
import './page.css';

interface PageProps {
  readonly title: string;
  readonly icon: ReactNode;
  /** What it is about, in a line. */
  readonly words: string;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  readonly busy: boolean;
  readonly test: string;
  readonly children: ReactNode;
}

export function Page({ title, icon, words, menu, notices, busy, test, children }: PageProps) {
  return (
    <main className="main page" aria-label={title} data-testid={test} data-busy={busy}>
      <header className="bar">
        {menu}
        <div className="bar-name">
          <h2>
            {icon}
            <span>{title}</span>
          </h2>
          <p>{words}</p>
        </div>
      </header>
      <div className="page-scroll">{children}</div>
      <div className="notices" aria-live="polite" data-testid="notices">
        {notices}
      </div>
    </main>
  );
}

interface EmptyProps {
  readonly icon: ReactNode;
  readonly title: string;
  /** Something is on its way. */
  readonly waiting?: boolean;
  readonly test: string;
  readonly children?: ReactNode;
}

/** In place of what a page would show. */
export function Empty({ icon, title, waiting = false, test, children }: EmptyProps) {
  return (
    <div className={waiting ? 'page-empty waiting' : 'page-empty'} data-testid={test}>
      {icon}
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** Why there is nothing, and another try where that can help. */
export function Failed({ error, onAgain }: { readonly error: BinnacleError; readonly onAgain: () => void }) {
  return (
    <div className="page-failure">
      <Failure error={error} />
      {error.retryable && (
        <button type="button" className="button" onClick={onAgain}>
          Try again
        </button>
      )}
    </div>
  );
}

interface MoreProps {
  readonly words: string;
  readonly busy: boolean;
  readonly onMore: () => void;
  readonly test: string;
}

/** The way to the next page of a list. */
export function More({ words, busy, onMore, test }: MoreProps) {
  return (
    <button type="button" className="button page-more" onClick={onMore} disabled={busy} data-testid={test}>
      {busy ? 'Loading…' : words}
    </button>
  );
}
