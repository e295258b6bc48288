// Notices: one line with an action, the state of the connection, and an error.

import { type BinnacleError, type Code, defined } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { useCountdown } from '../state/use-clock.ts';
import type { Link } from '../state/use-connection.ts';
import { IconButton } from './icon-button.tsx';
import { CloseIcon } from './icons.tsx';
import './notices.css';

interface NoticeProps {
  /** Kind of the notice, for tests and styles. */
  readonly about: string;
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly code?: Code;
  readonly act?: { readonly label: string; readonly onClick: () => void; readonly busy?: boolean };
  readonly onClose?: () => void;
  readonly children: ReactNode;
}

export function Notice({ about, tone, code, act, onClose, children }: NoticeProps) {
  return (
    <div className={`notice ${tone}`} data-testid="notice" data-about={about} data-code={code}>
      <div className="notice-text">{children}</div>
      {act !== undefined && (
        <button
          type="button"
          className="button"
          onClick={act.onClick}
          disabled={act.busy}
          data-testid={`notice-${about}-act`}
        >
          {act.label}
        </button>
      )}
      {onClose !== undefined && (
        <IconButton label="Dismiss" onClick={onClose}>
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}

/** Shows a problem of the connection, if there is one. */
export function LinkNotice({ link, onRetry }: { readonly link: Link; readonly onRetry: () => void }) {
  const seconds = useCountdown(link.retryAt);
  if (link.isLost) {
    return (
      <Notice about="reconnecting" tone="warn" act={{ label: 'Try now', onClick: onRetry }}>
        Reconnecting{seconds > 0 ? ` in ${seconds} s` : '…'}{' '}
        <small>
          {navigator.onLine ? (link.reason ?? 'Binnacle does not answer.') : 'This device is offline.'} Nothing that
          programs print is lost.
        </small>
      </Notice>
    );
  }
  if (link.kind === 'stopped') {
    return (
      <Notice about="stopped" tone="bad" code={link.code} act={{ label: 'Reload', onClick: () => location.reload() }}>
        Disconnected. <small>{link.code}</small>
      </Notice>
    );
  }
  return null;
}

export function ErrorNotice({
  error,
  act,
  onClose,
}: { readonly error: BinnacleError } & Pick<NoticeProps, 'act' | 'onClose'>) {
  const more = { ...defined({ act, onClose }) };
  return (
    <Notice about="error" tone="bad" code={error.code} {...more}>
      {error.message}{' '}
      <small>
        {error.hint} <code>{error.code}</code>
      </small>
    </Notice>
  );
}
