// The detail pane: the session or conversation in view, for users and guests. The terminal code is large, so it loads
// on first use.

import type { Binnacle, Me } from '@binnacle/client';
import { type BinnacleError, type ConversationInfo, defined, type SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useMemo } from 'react';
import { ConversationView } from '../conversation/conversation-view.tsx';
import type { Command } from '../model/command.ts';
import { oneLine } from '../model/format.ts';
import { title } from '../model/sessions.ts';
import type { Link } from '../state/use-connection.ts';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { LazyPart, useLazyPart } from '../ui/lazy-part.ts';
import { ErrorNotice, LinkNotice, Notice } from '../ui/notices.tsx';
import type { Theme } from '../ui/theme.ts';
import './detail-pane.css';

const sessionView = new LazyPart(() => import('../session/session-view.tsx'));

/**
 * Preloads the terminal code, so that the first session opens as fast as any other. A failure is reported when there is
 * something to draw.
 */
export const prepareTerminal = (): void => {
  sessionView.load().catch(() => undefined);
};

interface DetailPaneProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly of: { readonly session: SessionInfo } | { readonly talk: ConversationInfo };
  /** All sessions. */
  readonly sessions: readonly SessionInfo[];
  readonly theme: Theme;
  readonly screenReader?: boolean;
  /** True for a guest of a share link: actions beyond typing are not offered. */
  readonly guest?: boolean;
  /** For a session: the output offset to show; without it the end. */
  readonly at?: number | undefined;
  /** True if the session was just started here. */
  readonly fresh?: boolean;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  /** Receives the commands of the session or conversation, for the palette. */
  readonly offered?: { current: readonly Command[] };
  readonly onSession: (id: string) => void;
  readonly onRemoved?: () => void;
  readonly onSize?: (size: { readonly width: number; readonly height: number }) => void;
  readonly onLive?: () => void;
}

const nothing = (): void => undefined;

export function DetailPane(props: DetailPaneProps) {
  const { client, me, of, sessions, guest = false, menu, notices } = props;
  const ids = sessions.map(({ id }) => id).join(' ');
  const known = useMemo<ReadonlySet<string>>(() => new Set(ids.split(' ')), [ids]);
  if ('talk' in of) {
    return (
      <ErrorBoundary key={of.talk.key} menu={menu}>
        <ConversationView
          client={client}
          info={of.talk}
          me={me}
          sessions={known}
          guest={guest}
          menu={menu}
          linkNotice={notices}
          onSession={props.onSession}
          onRemoved={props.onRemoved ?? nothing}
        />
      </ErrorBoundary>
    );
  }
  const info = of.session;
  return (
    <ErrorBoundary key={info.id} menu={menu}>
      <Terminal {...props} info={info} />
    </ErrorBoundary>
  );
}

function Terminal(props: DetailPaneProps & { readonly info: SessionInfo }) {
  const { client, info, me, guest = false, menu, notices } = props;
  const view = useLazyPart(sessionView);
  if (view === undefined) return <LoadingPane name={oneLine(title(info))} menu={menu} />;
  return (
    <view.SessionView
      client={client}
      info={info}
      scope={me.scope}
      at={props.at}
      theme={props.theme}
      screenReader={props.screenReader ?? false}
      fresh={props.fresh ?? false}
      guest={guest}
      menu={menu}
      linkNotice={notices}
      offered={props.offered}
      onSize={props.onSize ?? nothing}
      onLive={props.onLive ?? nothing}
    />
  );
}

/** The placeholder for loading content, with the same header, so that the layout does not jump. */
export function LoadingPane({ name, menu }: { readonly name: string; readonly menu: ReactNode }) {
  return (
    <main className="main" aria-busy="true" aria-label={name === '' ? 'Loading' : name} data-testid="opening">
      <header className="bar">
        {menu}
        <div className="bar-name">
          <h2>{name === '' ? <span className="blank" /> : <span>{name}</span>}</h2>
        </div>
      </header>
      <div className="opening" role="status">
        <span className="sr-only">Loading</span>
        <span className="blank" />
        <span className="blank" />
        <span className="blank" />
      </div>
    </main>
  );
}

interface FrameNoticesProps {
  readonly client: Binnacle;
  readonly link: Link;
  readonly error: BinnacleError | undefined;
  /** Undefined for an error that stays until it is fixed. */
  readonly onClose?: (() => void) | undefined;
  /** True if the login outlives this page. Default true. */
  readonly isLoginStored?: boolean;
}

/** Notices about the connection and the lists, above the page's own. */
export function FrameNotices({ client, link, error, onClose, isLoginStored = true }: FrameNoticesProps) {
  return (
    <>
      {!isLoginStored && (
        <Notice about="login-not-stored" tone="warn">
          This browser stores nothing for this page. <small>When the page is closed or reloaded, log in again.</small>
        </Notice>
      )}
      <LinkNotice link={link} onRetry={() => client.wake()} />
      {error !== undefined && <ErrorNotice error={error} {...defined({ onClose })} />}
    </>
  );
}
