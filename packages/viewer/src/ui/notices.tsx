// What the page has to say about a connection or a session, in words and at the place where one looks.

import type { BinnacleError, Code, SessionInfo } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { age, bytes, ending, mark, person } from '../model/format.ts';
import { type Link, useCountdown } from '../state/use-client.ts';
import { IconButton } from './icon-button.tsx';
import { CloseIcon } from './icons.tsx';

interface NoticeProps {
  /** For tests and styles: what kind of notice it is. */
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

/** What is wrong with the connection, if anything is. */
export function LinkNotice({ link, onRetry }: { readonly link: Link; readonly onRetry: () => void }) {
  const seconds = useCountdown(link.retryAt);
  if (link.isLost) {
    return (
      <Notice about="reconnecting" tone="warn" act={{ label: 'Try now', onClick: onRetry }}>
        Reconnecting{seconds > 0 ? ` in ${seconds} s` : '…'}{' '}
        <small>
          {navigator.onLine ? (link.reason ?? 'The gateway does not answer.') : 'This device is offline.'} Nothing that
          programs print is lost.
        </small>
      </Notice>
    );
  }
  if (link.kind === 'stopped') {
    return (
      <Notice about="stopped" tone="bad" code={link.code} act={{ label: 'Reload', onClick: () => location.reload() }}>
        The connection has ended for good. <small>{link.code}</small>
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
  const more = { ...(act === undefined ? {} : { act }), ...(onClose === undefined ? {} : { onClose }) };
  return (
    <Notice about="error" tone="bad" code={error.code} {...more}>
      {error.message}{' '}
      <small>
        {error.hint} <code>{error.code}</code>
      </small>
    </Notice>
  );
}

export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly reason: 'retention' | 'damaged';
}

export function GapNotice({ gap, onClose }: { readonly gap: Gap; readonly onClose: () => void }) {
  const size = bytes(gap.to - gap.from);
  const are = gap.to - gap.from === 1 ? 'is' : 'are';
  return (
    <Notice about="gap" tone="warn" onClose={onClose}>
      {gap.reason === 'retention'
        ? `${size} of output ${are} no longer kept.`
        : `${size} of output ${are} damaged and left out.`}{' '}
      <small>
        bytes {gap.from.toLocaleString()} to {gap.to.toLocaleString()}
      </small>
    </Notice>
  );
}

export function EndNotice({ info }: { readonly info: SessionInfo }) {
  const words = ending(info);
  if (words === undefined) return null;
  const how = mark(info);
  const after = info.exitedAt === null ? undefined : age(info.exitedAt - info.createdAt);
  return (
    <Notice about="exit" tone={how === 'ended' ? 'good' : 'bad'}>
      {words[0]?.toUpperCase()}
      {words.slice(1)} {after !== undefined && after !== 'now' && <small>after {after}</small>}
    </Notice>
  );
}

export function StalledNotice() {
  return (
    <Notice about="stalled" tone="warn">
      The program waits: the gateway’s disk is full. <small>It goes on where it stopped when there is room.</small>
    </Notice>
  );
}

/** Says that somebody else steers now. */
export function HelmLostNotice({
  holder,
  onClose,
}: {
  readonly holder: string | undefined;
  readonly onClose: () => void;
}) {
  return (
    <Notice about="helm-lost" tone="warn" onClose={onClose}>
      {holder === undefined ? 'You no longer have the helm.' : `${person(holder)} took the helm.`}{' '}
      <small>You are watching now.</small>
    </Notice>
  );
}

interface PlaceNoticeProps {
  /** Its output offset, and whether that is still kept. */
  readonly place: { readonly at: number; readonly isGone: boolean };
  /** Output bytes behind what is drawn. */
  readonly ahead: number;
  readonly running: boolean;
  readonly onLive: () => void;
}

/** Says that an old place is shown, and leads back to what happens now. */
export function PlaceNotice({ place, ahead, running, onLive }: PlaceNoticeProps) {
  return (
    <Notice about="place" tone="plain" act={{ label: running ? 'Go on to live' : 'Go to the end', onClick: onLive }}>
      {place.isGone
        ? 'The place that was found is no longer kept: what follows it is marked.'
        : 'The place that was found is marked.'}{' '}
      <small>byte {place.at.toLocaleString()}</small>
      {ahead > 0 && <small>, {bytes(ahead)} more follow what is shown</small>}
    </Notice>
  );
}
