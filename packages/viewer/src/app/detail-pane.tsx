// The one session or conversation that is looked at, on the page of those who live here and of guests. What draws
// terminals is large, so it is loaded when there is one to draw.

import type { Binnacle, Me } from '@binnacle/client';
import type { BinnacleError, ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useMemo } from 'react';
import { ConversationView } from '../conversation/conversation-view.tsx';
import type { Command } from '../model/command.ts';
import { oneLine } from '../model/format.ts';
import { title } from '../model/sessions.ts';
import type { Link } from '../state/use-connection.ts';
import { Mishap } from '../ui/error-boundary.tsx';
import { PagePart, usePart } from '../ui/lazy-part.ts';
import { ErrorNotice, LinkNotice, Notice } from '../ui/notices.tsx';
import type { Theme } from '../ui/theme.ts';
import './detail-pane.css';

const sessionView = new PagePart(() => import('../session/session-view.tsx'));

/** So that the first session opens as fast as any other. That it failed is told when there is something to draw. */
export const prepareTerminal = (): void => {
  sessionView.load().catch(() => undefined);
};

interface SubjectProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly of: { readonly session: SessionInfo } | { readonly talk: ConversationInfo };
  /** All there are. */
  readonly sessions: readonly SessionInfo[];
  readonly theme: Theme;
  readonly screenReader?: boolean;
  /** Came by a share link: what takes more than typing is not offered. */
  readonly guest?: boolean;
  /** Of a session: the output offset to show; without it the end. */
  readonly at?: number | undefined;
  /** It was started here just now. */
  readonly fresh?: boolean;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  /** Where it puts what can be done with it, for the palette. */
  readonly offered?: { current: readonly Command[] };
  readonly onSession: (id: string) => void;
  readonly onGone?: () => void;
  readonly onSize?: (size: { readonly width: number; readonly height: number }) => void;
  readonly onLive?: () => void;
}

const nothing = (): void => undefined;

export function Subject(props: SubjectProps) {
  const { client, me, of, sessions, guest = false, menu, notices } = props;
  const ids = sessions.map(({ id }) => id).join(' ');
  const known = useMemo<ReadonlySet<string>>(() => new Set(ids.split(' ')), [ids]);
  if ('talk' in of) {
    return (
      <Mishap key={of.talk.key} menu={menu}>
        <ConversationView
          client={client}
          info={of.talk}
          me={me}
          sessions={known}
          guest={guest}
          menu={menu}
          linkNotice={notices}
          onSession={props.onSession}
          onGone={props.onGone ?? nothing}
        />
      </Mishap>
    );
  }
  const info = of.session;
  return (
    <Mishap key={info.id} menu={menu}>
      <Terminal {...props} info={info} />
    </Mishap>
  );
}

function Terminal(props: SubjectProps & { readonly info: SessionInfo }) {
  const { client, info, me, guest = false, menu, notices } = props;
  const view = usePart(sessionView);
  if (view === undefined) return <Opening name={oneLine(title(info))} menu={menu} />;
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

/** In place of what is on its way, with the same header, so that nothing jumps when it comes. */
export function Opening({ name, menu }: { readonly name: string; readonly menu: ReactNode }) {
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
  /** Undefined for what stays wrong until it is mended. */
  readonly onClose?: (() => void) | undefined;
  /** The login outlives this page. Default true. */
  readonly isKept?: boolean;
}

/** What is wrong with the connection and the lists, above what a page has to say itself. */
export function FrameNotices({ client, link, error, onClose, isKept = true }: FrameNoticesProps) {
  return (
    <>
      {!isKept && (
        <Notice about="login-not-kept" tone="warn">
          This browser stores nothing for this page. <small>When the page is closed or reloaded, log in again.</small>
        </Notice>
      )}
      <LinkNotice link={link} onRetry={() => client.wake()} />
      {error !== undefined && <ErrorNotice error={error} {...(onClose === undefined ? {} : { onClose })} />}
    </>
  );
}
