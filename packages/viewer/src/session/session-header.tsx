// The header of a session's page: its name, the lease, and its actions.

import type { SessionInfo } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { mark, stateWord } from '../model/sessions.ts';
import { type Mute, MuteButton } from '../notifications/mute-button.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { BinIcon, FileOutIcon, InterruptIcon, SearchIcon, ShareIcon, StopIcon } from '../ui/icons.tsx';
import { LeaseButton, type LeaseStatus } from './lease-button.tsx';
import type { SessionActs, SessionCommand } from './session-commands.ts';
import './session-header.css';

interface SessionHeaderProps {
  readonly info: SessionInfo;
  readonly name: string;
  readonly command: string;
  /** The window title that the program asked for. */
  readonly wish: string;
  readonly leaseStatus: LeaseStatus;
  readonly isBusy: boolean;
  readonly commands: readonly SessionCommand[];
  readonly acts: Pick<SessionActs, 'acquire' | 'take' | 'release'>;
  /** Undefined if the user cannot mute. */
  readonly mute: Mute | undefined;
  readonly menu: ReactNode;
  /** Presence, and rare actions. */
  readonly children: ReactNode;
}

export function SessionHeader(props: SessionHeaderProps) {
  const { info, name, command, wish, leaseStatus, commands, acts, mute } = props;
  const isForeign = info.foreign !== null;
  const isEnding = info.running && !isForeign;
  const what = wish !== '' && wish !== name ? wish : info.cwd;
  return (
    <header className="bar">
      {props.menu}
      <div className="bar-name">
        <h2>
          <span className={`dot ${mark(info)}`} />
          <span data-testid="session-title">{name}</span>
        </h2>
        <p className="bar-state" title={wish || info.cwd}>
          {stateWord(info)}
          <span className="wide">
            {command !== name && command !== '' && (
              <>
                {' '}
                · <code>{command}</code>
              </>
            )}
            {' · '}
            {[what, info.mode === 'pty' ? `${info.cols}×${info.rows}` : 'pipes'].filter(Boolean).join(' · ')}
          </span>
        </p>
      </div>
      <Button of="find" icon={<SearchIcon />} test="find-open" {...{ commands }} />
      {mute !== undefined && <MuteButton kind="session" mute={mute} />}
      <Button of="share" icon={<ShareIcon />} test="share" className="wide roomy" {...{ commands }} />
      <Button of="save" icon={<FileOutIcon />} test="export" className="wide roomy" {...{ commands }} />
      {info.running && !isForeign && (
        <LeaseButton
          leaseStatus={leaseStatus}
          busy={props.isBusy}
          onAcquire={acts.acquire}
          onTake={acts.take}
          onRelease={acts.release}
        />
      )}
      <Button of="interrupt" icon={<InterruptIcon />} test="interrupt" {...{ commands }} />
      {props.children}
      <Button of="end" icon={isEnding ? <StopIcon /> : <BinIcon />} test="kill" {...{ commands }} />
    </header>
  );
}

interface ButtonProps {
  readonly commands: readonly SessionCommand[];
  /** Key of the command. Without such a command there is no button. */
  readonly of: string;
  readonly icon: ReactNode;
  readonly test: string;
  /** Class that decides at which widths the button is shown. Default `wide`. */
  readonly className?: string;
}

function Button({ commands, of, icon, test, className = 'wide' }: ButtonProps) {
  const command = commands.find(({ key }) => key === of);
  if (command === undefined || !('run' in command.act)) return null;
  const { name, keys, act } = command;
  return (
    <IconButton
      label={name.replace('…', '')}
      title={keys === undefined ? name : `${name} (${keys})`}
      aria-haspopup={name.endsWith('…') && of !== 'find' ? 'dialog' : undefined}
      onClick={act.run}
      {...{ className, test }}
    >
      {icon}
    </IconButton>
  );
}
