'use client';
// One line below a log or a terminal that says how the reading fares. For all who read, screen readers too.

import type { ReactNode } from 'react';
import type { Status } from './words.ts';

interface StatusLineProps {
  readonly status: Status | undefined;
  readonly children?: ReactNode;
}

/** In the document also while it says nothing: only then is it announced when it does. */
export function StatusLine({ status, children }: StatusLineProps) {
  return (
    <div
      className={`binnacle-status${status === undefined ? '' : ` binnacle-${status.tone}`}`}
      role="status"
      data-code={status?.code}
    >
      {status !== undefined && (
        <span>
          {status.text} {status.hint !== undefined && <small>{status.hint}</small>}{' '}
          {status.code !== undefined && <code>{status.code}</code>}
        </span>
      )}
      {children}
    </div>
  );
}
