// The sidebar: logo, buttons for new sessions and conversations, the lists, the user and the connection.

import type { Me } from '@binnacle/client';
import type { UsedConversations } from '@binnacle/client/react';
import { allows } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { oneLine } from '../model/format.ts';
import type { Route } from '../model/route.ts';
import type { Link } from '../state/use-connection.ts';
import type { SessionList } from '../state/use-session-list.ts';
import { IconButton } from '../ui/icon-button.tsx';
import {
  CloseIcon,
  CommandIcon,
  Compass,
  EarIcon,
  LeaveIcon,
  MoonIcon,
  MoreIcon,
  PlusIcon,
  SunIcon,
  TalkIcon,
} from '../ui/icons.tsx';
import type { Theme } from '../ui/theme.ts';
import type { Row } from './rows.ts';
import { SidebarList } from './sidebar-list.tsx';
import { SidebarPages } from './sidebar-pages.tsx';
import './sidebar.css';

interface SidebarProps {
  readonly me: Me;
  readonly link: Link;
  readonly sessionList: SessionList;
  readonly conversationList: UsedConversations;
  readonly route: Route | undefined;
  readonly theme: Theme;
  readonly screenReader: boolean;
  readonly starting: boolean;
  /** Button that opens the notices of plugins. */
  readonly bell: ReactNode;
  readonly isNews: (row: Row) => boolean;
  readonly onChoose: (route: Route) => void;
  readonly onOrder: (rows: readonly Row[]) => void;
  readonly onPalette: () => void;
  /** Undefined if this token may not start sessions. */
  readonly onShell: (() => void) | undefined;
  readonly onForm: () => void;
  /** True if this token may write to agents, and agents exist or are not known yet. */
  readonly mayTalk: boolean;
  /** Undefined until agents are known to exist. */
  readonly onTalk: (() => void) | undefined;
  readonly onTheme: () => void;
  readonly onScreenReader: () => void;
  readonly onLeave: () => void;
  /** Closes the drawer, on a phone. */
  readonly onClose: () => void;
}

const LINK_LABELS = {
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

export function Sidebar(props: SidebarProps) {
  const { me, link, sessionList, conversationList, route, theme, screenReader, starting } = props;
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <nav className="sidebar" aria-label="Conversations, sessions and settings">
      <div className="sidebar-top">
        <Compass />
        <p className="sidebar-name">Binnacle</p>
        <IconButton
          label="Search or run a command"
          title="Search or run a command (Ctrl+K; in a terminal Ctrl+Shift+K)"
          aria-haspopup="dialog"
          aria-keyshortcuts="Control+Shift+K Meta+K"
          onClick={props.onPalette}
          test="palette"
        >
          <CommandIcon />
        </IconButton>
        {props.bell}
        <IconButton className="drawer-close" label="Close the list" onClick={props.onClose}>
          <CloseIcon />
        </IconButton>
      </div>
      {props.mayTalk && (
        <div className="sidebar-new">
          <button
            type="button"
            className="button"
            onClick={props.onTalk}
            disabled={starting || props.onTalk === undefined}
            data-testid="new-conversation"
          >
            <TalkIcon /> New conversation
          </button>
        </div>
      )}
      {props.onShell !== undefined && (
        <div className="sidebar-new">
          <button
            type="button"
            className="button primary"
            onClick={props.onShell}
            disabled={starting}
            data-testid="new-shell"
          >
            <PlusIcon /> {starting ? 'Starting…' : 'New terminal'}
          </button>
          <button
            type="button"
            className="button primary"
            aria-label="Run a command…"
            title="Run a command…"
            aria-haspopup="dialog"
            onClick={props.onForm}
            data-testid="new-form"
          >
            <MoreIcon />
          </button>
        </div>
      )}
      <SidebarPages route={route} mayManage={allows(me.scope, 'admin')} onChoose={props.onChoose} />
      <SidebarList
        sessionList={sessionList}
        conversationList={conversationList}
        route={route}
        isNews={props.isNews}
        onChoose={props.onChoose}
        onOrder={props.onOrder}
      />
      <div className="sidebar-foot">
        <span className="link" data-testid="link" data-link={link.kind} title="Connection to the server">
          <span className={`dot ${LINK_MARKS[link.kind]}`} />
          <span className={link.latencyMs === null ? undefined : 'sr-only'}>{LINK_LABELS[link.kind]}</span>
          {link.latencyMs !== null && (
            <span data-testid="latency">
              {link.latencyMs < 1 ? '<1' : Math.round(link.latencyMs)} ms
              <span className="sr-only"> latency</span>
            </span>
          )}
        </span>
        <span className="who clip" title={`${oneLine(me.name, 80)}, may ${me.scope}`}>
          {/* The gateway names a login after its token; "(browser)" is redundant here. */}
          {oneLine(me.name.replace(/ \(browser\)$/, ''), 40)}
          {me.scope === 'admin' ? '' : ` (${me.scope})`}
        </span>
        <IconButton
          label="Make terminals readable by screen readers"
          aria-pressed={screenReader}
          onClick={props.onScreenReader}
          test="screen-reader"
        >
          <EarIcon />
        </IconButton>
        <IconButton label={`Change to ${other}`} onClick={props.onTheme} test="theme">
          {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
        </IconButton>
        <IconButton label="Log out" onClick={props.onLeave} test="logout">
          <LeaveIcon />
        </IconButton>
      </div>
    </nav>
  );
}
