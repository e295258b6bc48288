// The line below a log or a terminal that states how the reading fares, for screen readers too.

import type { CSSProperties, ReactNode } from 'react';
import type { Status } from './status.ts';

interface StatusLineProps {
  readonly status: Status | undefined;
  /** Laid over what is above, so that its coming and going moves nothing. */
  readonly isOver?: boolean;
  readonly children?: ReactNode;
}

const OVER: CSSProperties = { position: 'absolute', insetInline: 0, bottom: 0, zIndex: 10 };

/** In the document also while it says nothing: only then is it announced when it does. */
export function StatusLine({ status, isOver = false, children }: StatusLineProps) {
  return (
    <div
      className={`binnacle-status${status === undefined ? '' : ` binnacle-${status.tone}`}`}
      style={isOver ? OVER : undefined}
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
