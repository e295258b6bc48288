// A page without a terminal: header, scrolling area, footer, and its empty state.

import type { BinnacleError } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { Failure } from './failure.tsx';
import './page.css';

interface PageProps {
  readonly title: string;
  readonly icon: ReactNode;
  /** Subject of the page, in one line. */
  readonly subtitle: string;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  readonly busy: boolean;
  readonly test: string;
  readonly children: ReactNode;
}

export function Page({ title, icon, subtitle, menu, notices, busy, test, children }: PageProps) {
  return (
    <main className="main page" aria-label={title} data-testid={test} data-busy={busy}>
      <header className="bar">
        {menu}
        <div className="bar-name">
          <h2>
            {icon}
            <span>{title}</span>
          </h2>
          <p>{subtitle}</p>
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
  /** True while content is loading. */
  readonly waiting?: boolean;
  readonly test: string;
  readonly children?: ReactNode;
}

/** The replacement for missing content. */
export function Empty({ icon, title, waiting = false, test, children }: EmptyProps) {
  return (
    <div className={waiting ? 'page-empty waiting' : 'page-empty'} data-testid={test}>
      {icon}
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** The reason why there is no content, with a retry if that can help. */
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
  readonly label: string;
  readonly busy: boolean;
  readonly onMore: () => void;
  readonly test: string;
}

/** The button for the next page of a list. */
export function More({ label, busy, onMore, test }: MoreProps) {
  return (
    <button type="button" className="button page-more" onClick={onMore} disabled={busy} data-testid={test}>
      {busy ? 'Loading…' : label}
    </button>
  );
}
