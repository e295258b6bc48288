// The left side: the mark, what can be begun, the lists, and who and how we are connected.

import type { Me } from '@binnacle/client';
import { allows } from '@binnacle/protocol';
import { type ReactNode, useId } from 'react';
import type { Choice } from './choice.ts';
import { ConversationList } from './conversation-list.tsx';
import { CloseIcon, Compass, EarIcon, LeaveIcon, MoonIcon, MoreIcon, PlusIcon, SunIcon, TalkIcon } from './icons.tsx';
import { SessionList } from './session-list.tsx';
import { SidePages } from './side-pages.tsx';
import type { Theme } from './theme.ts';
import type { Fleet, Link } from './use-client.ts';
import type { Talks } from './use-conversations.ts';
import { oneLine } from './words.ts';

interface SideProps {
  readonly me: Me;
  readonly link: Link;
  readonly fleet: Fleet;
  readonly talks: Talks;
  readonly chosen: Choice | undefined;
  readonly theme: Theme;
  readonly screenReader: boolean;
  readonly starting: boolean;
  /** What leads to what plugins told. */
  readonly bell: ReactNode;
  readonly onChoose: (choice: Choice) => void;
  /** Undefined when this token may not start sessions. */
  readonly onShell: (() => void) | undefined;
  readonly onForm: () => void;
  /** Undefined when this token may not write to agents, or there are none. */
  readonly onTalk: (() => void) | undefined;
  readonly onTheme: () => void;
  readonly onScreenReader: () => void;
  readonly onLeave: () => void;
  /** Closes the drawer, on a phone. */
  readonly onClose: () => void;
}

const LINK_WORDS = {
  idle: 'idle',
  connecting: 'connecting',
  open: 'connected',
  waiting: 'offline',
  stopped: 'ended',
} as const;
const LINK_MARKS = {
  idle: '',
  connecting: 'starting',
  open: 'running',
  waiting: 'stalled',
  stopped: 'failed',
} as const;

export function Side(props: SideProps) {
  const { me, link, fleet, talks, chosen, theme, screenReader, starting } = props;
  const id = useId();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <nav className="side" aria-label="Conversations, sessions and settings">
      <div className="side-top">
        <Compass />
        <h1>Binnacle</h1>
        {props.bell}
        <button
          type="button"
          className="button quiet square drawer-close"
          aria-label="Close the list"
          onClick={props.onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {props.onTalk !== undefined && (
        <div className="side-new">
          <button
            type="button"
            className="button"
            onClick={props.onTalk}
            disabled={starting}
            data-testid="new-conversation"
          >
            <TalkIcon /> New conversation
          </button>
        </div>
      )}
      {props.onShell !== undefined && (
        <div className="side-new">
          <button
            type="button"
            className="button primary"
            onClick={props.onShell}
            disabled={starting}
            data-testid="new-shell"
          >
            <PlusIcon /> {starting ? 'Starting…' : 'New shell'}
          </button>
          <button
            type="button"
            className="button primary"
            aria-label="New session with a command, name or directory"
            title="Command, name, directory…"
            aria-haspopup="dialog"
            onClick={props.onForm}
            data-testid="new-form"
          >
            <MoreIcon />
          </button>
        </div>
      )}
      <SidePages chosen={chosen} mayPlugins={allows(me.scope, 'admin')} onChoose={props.onChoose} />
      <div className="side-lists">
        <section aria-labelledby={`${id}-conversations`}>
          <h2 id={`${id}-conversations`}>Conversations</h2>
          <ConversationList
            conversations={talks.conversations}
            loading={talks.loading}
            chosen={chosen?.kind === 'conversation' ? chosen.key : undefined}
            onChoose={(key) => props.onChoose({ kind: 'conversation', key })}
          />
        </section>
        <section aria-labelledby={`${id}-sessions`}>
          <h2 id={`${id}-sessions`}>Sessions</h2>
          <SessionList
            sessions={fleet.sessions}
            loading={fleet.loading}
            chosen={chosen?.kind === 'session' ? chosen.id : undefined}
            onChoose={(session) => props.onChoose({ kind: 'session', id: session })}
          />
        </section>
      </div>
      <div className="side-foot">
        <span className="link" data-testid="link" data-link={link.kind} title="Connection to the gateway">
          <span className={`dot ${LINK_MARKS[link.kind]}`} />
          <span className={link.latencyMs === null ? undefined : 'sr-only'}>{LINK_WORDS[link.kind]}</span>
          {link.latencyMs !== null && (
            <span data-testid="latency">
              {link.latencyMs < 1 ? '<1' : Math.round(link.latencyMs)} ms
              <span className="sr-only"> latency</span>
            </span>
          )}
        </span>
        <span className="who" title={`${oneLine(me.name, 80)}, may ${me.scope}`}>
          {/* The gateway names a login after its token: that it is in a browser goes without saying here. */}
          {oneLine(me.name.replace(/ \(browser\)$/, ''), 40)}
          {me.scope === 'admin' ? '' : ` (${me.scope})`}
        </span>
        <button
          type="button"
          className="button quiet square"
          aria-label="Screen reader support in the terminal"
          aria-pressed={screenReader}
          title="Screen reader support in the terminal"
          onClick={props.onScreenReader}
          data-testid="screen-reader"
        >
          <EarIcon />
        </button>
        <button
          type="button"
          className="button quiet square"
          aria-label={`Change to ${other}`}
          title={`Change to ${other}`}
          onClick={props.onTheme}
          data-testid="theme"
        >
          {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
        </button>
        <button
          type="button"
          className="button quiet square"
          aria-label="Log out"
          title="Log out"
          onClick={props.onLeave}
          data-testid="logout"
        >
          <LeaveIcon />
        </button>
      </div>
    </nav>
  );
}
