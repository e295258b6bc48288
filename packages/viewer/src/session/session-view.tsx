// The page of one session: header, terminal and notices.

import { type ReactNode, useLayoutEffect, useMemo, useState } from 'react';
import type { Command } from '../model/command.ts';
import { capitalized, oneLine } from '../model/format.ts';
import { commandLine, ending, isRecording, title } from '../model/sessions.ts';
import { useMute } from '../notifications/mute-button.tsx';
import { ExportDialog } from '../recordings/export-dialog.tsx';
import { ReplayBar } from '../replay/replay-bar.tsx';
import { ReplayScreen } from '../replay/replay-screen.tsx';
import { useReplay } from '../replay/use-replay.ts';
import { ShareDialog } from '../sharing/share-dialog.tsx';
import { textOf } from '../terminal/copy-text.ts';
import { FindBar } from '../terminal/find-bar.tsx';
import { copyText } from '../ui/clipboard.ts';
import { EndSession } from './end-session.tsx';
import { ForeignStrip } from './foreign-strip.tsx';
import { KeyBar } from './key-bar.tsx';
import { leaseText } from './lease-button.tsx';
import { LinkQuestion } from './link-question.tsx';
import { LeaseRequest, PresenceButton } from './presence.tsx';
import { type SessionActs, sessionCommands } from './session-commands.ts';
import { SessionHeader } from './session-header.tsx';
import { SessionMenu } from './session-menu.tsx';
import { SessionNotices } from './session-notices.tsx';
import { TypeBar } from './type-bar.tsx';
import { type SessionScreenOptions, useSessionScreen } from './use-session-screen.ts';
import './session-view.css';

interface SessionViewProps extends SessionScreenOptions {
  /** True for a guest of a share link: actions beyond typing are not offered. */
  readonly guest?: boolean;
  readonly menu: ReactNode;
  /** Notices about the connection, placed above the session's own. */
  readonly linkNotice: ReactNode;
  /** Receives the commands of this session, for the palette. */
  readonly offered?: { current: readonly Command[] } | undefined;
  /** Called when the requested position is left. */
  readonly onLive: () => void;
}

export function SessionView(props: SessionViewProps) {
  const { client, info, scope, menu, linkNotice, onLive } = props;
  const isGuest = props.guest === true;
  /** Position that was reached by going back; not part of the address. */
  const [place, setPlace] = useState<number>();
  const shown = useSessionScreen({ ...props, at: place ?? props.at });
  const [above, setAbove] = useState<'end' | 'share' | 'save'>();
  const [copied, setCopied] = useState('');
  const mute = useMute(client, 'session', isGuest ? undefined : info.id);
  // A recording opens with its timeline, ready to play.
  const [hasTimeline, setTimeline] = useState(!isGuest && isRecording(info));
  const [hasOpenedTimeline, setOpenedTimeline] = useState(false);
  const session = useMemo(() => (hasTimeline ? client.session(info.id) : undefined), [hasTimeline, client, info.id]);
  const replay = useReplay(client, session, shown.now, props.theme);

  const { now, follower, control, leaseStatus, steerable } = shown;
  const name = oneLine(title(now));
  const command = oneLine(follower.command ?? commandLine(now), 200);
  const isEndable = now.running && !shown.isForeign;
  const isPipe = info.mode === 'pipe';
  const status = [
    isRecording(now) ? 'A recording' : shown.isForeign ? 'Runs elsewhere' : now.running ? leaseText(leaseStatus) : '',
    follower.phase === 'past' ? 'loading history' : (ending(now) ?? ''),
    follower.place === undefined ? '' : 'at the place found',
  ].filter(Boolean);
  /** Changes the lease or interrupts, and then focuses the terminal. */
  const steer = (act: 'acquire' | 'take' | 'interrupt') => (): void => {
    shown.parts?.steer[act]();
    shown.focus();
  };
  const close = (): void => setAbove(undefined);
  const acts: SessionActs = {
    acquire: steer('acquire'),
    take: steer('take'),
    release: shown.release,
    ask: () => shown.parts?.steer.ask(),
    find: () => shown.setFinding(true),
    timeline: () => {
      setTimeline(true);
      setOpenedTimeline(true);
    },
    copy: (what) => {
      const { screen } = shown.parts ?? {};
      const text = what === 'all' ? screen && textOf(screen.terminal.buffer.active) : screen?.runs.lastOutput();
      if (text === undefined) return setCopied('There is no output to copy yet.');
      copyText(text).then(
        () => setCopied('Copied.'),
        () => setCopied('The browser did not let the page copy. Select the text and press Ctrl+C.'),
      );
    },
    jump: (isOlder) => shown.parts?.screen.jump(isOlder),
    show: shown.showOnly,
    share: () => setAbove('share'),
    save: () => setAbove('save'),
    mute: mute.change,
    interrupt: steer('interrupt'),
    end: () => setAbove('end'),
  };
  const { hasRequested } = control;
  const { only } = shown;
  const commands = sessionCommands(
    {
      ...{
        session: info.id,
        scope,
        isGuest,
        leaseStatus,
        hasRequested,
        isSteerable: steerable,
        isEndable,
        isPipe,
        only,
      },
      ...{ hasRuns: shown.runCount > 0, isMuted: mute.isMuted },
    },
    acts,
  );
  const { offered } = props;
  useLayoutEffect(() => {
    if (offered === undefined) return;
    offered.current = commands;
    return () => {
      offered.current = [];
    };
  });
  const endFind = (): void => {
    shown.setFinding(false);
    void shown.parts?.screen.finder.clear();
    shown.focus();
  };

  return (
    <main
      className="main"
      aria-label={`Session ${name}`}
      data-testid="session-view"
      data-session={info.id}
      data-phase={follower.phase}
      data-above={follower.above.state}
    >
      <SessionHeader
        {...{ name, command, leaseStatus, commands, acts, menu }}
        info={now}
        wish={shown.wish}
        isBusy={control.busy}
        mute={isGuest ? undefined : mute}
      >
        {shown.presence !== undefined && (
          <PresenceButton
            presence={shown.presence}
            leaseStatus={leaseStatus}
            hasRequested={hasRequested}
            onAsk={acts.ask}
            onTransfer={shown.transfer}
          />
        )}
        <SessionMenu commands={commands} status={copied} />
      </SessionHeader>
      <ForeignStrip info={now} heardAt={follower.heardAt} />
      <p className="sr-only" role="status" aria-live="polite" data-testid="status">
        {capitalized(status.join(', '))}
      </p>
      <div className="stage">
        <div className="screen-area">
          <div className="screen">
            <section
              className={shown.isSized || isPipe ? 'screen-fit' : 'screen-fit watching'}
              ref={shown.host}
              aria-label={`Terminal of ${name}`}
              data-testid="terminal"
              data-lease={leaseStatus.kind}
            />
            {isPipe && <div className="stream-signs" ref={shown.signs} aria-hidden="true" />}
          </div>
          <ReplayScreen replay={replay} />
          {follower.above.state === 'loading' && (
            <p className="above-loading" role="status">
              Loading earlier output…
            </p>
          )}
          {control.requester !== undefined && control.yours && (
            <LeaseRequest
              by={control.requester}
              onTransfer={() => {
                if (control.requester !== undefined) shown.transfer(control.requester.id);
              }}
              onNotNow={() => {
                shown.updateControl({ requester: undefined });
                shown.focus();
              }}
            />
          )}
          {shown.hovered !== undefined && <div className="target">{shown.hovered}</div>}
          {shown.isFinding && (
            <FindBar
              found={shown.found}
              session={isGuest ? undefined : info.id}
              onFind={(query, isOlder, isExact) => void shown.parts?.screen.finder.find(query, isOlder, isExact)}
              onClose={endFind}
            />
          )}
        </div>
        <div
          className={shown.isSized ? 'notices over' : 'notices'}
          ref={shown.notices}
          aria-live="polite"
          data-testid="notices"
        >
          <SessionNotices
            shown={shown}
            linkNotice={linkNotice}
            isReplay={replay.played !== undefined}
            onLive={() => {
              setPlace(undefined);
              onLive();
            }}
            onBack={setPlace}
            onAsk={leaseStatus.kind === 'taken' && !hasRequested ? acts.ask : undefined}
          />
        </div>
        {hasTimeline && (
          <ReplayBar
            replay={replay}
            theme={props.theme}
            running={now.running}
            takesFocus={hasOpenedTimeline}
            onClose={() => {
              replay.live();
              setTimeline(false);
              setOpenedTimeline(false);
              shown.focus();
            }}
          />
        )}
      </div>
      {steerable && (
        <KeyBar
          ctrl={shown.ctrl}
          onCtrl={() => shown.setCtrl((on) => !on)}
          onText={(text) => shown.parts?.screen.press(text)}
          onArrow={(arrow) => shown.parts?.screen.pressArrow(arrow)}
          fit={shown.fit}
        />
      )}
      {steerable && (
        <TypeBar
          ctrl={shown.ctrl}
          onCtrlKey={(letter) => shown.parts?.screen.press(letter)}
          onSend={(text) => shown.parts?.screen.enter(text)}
        />
      )}
      {above === 'end' && (
        <EndSession
          info={now}
          onKill={async () => shown.parts?.steer.kill(shown.isRunning)}
          onRemove={() => client.sessions.delete(info.id)}
          onClose={() => {
            close();
            shown.focus();
          }}
        />
      )}
      {above === 'share' && (
        <ShareDialog {...{ client, scope }} target={{ session: info.id }} name={title(info)} onClose={close} />
      )}
      {above === 'save' && (
        <ExportDialog
          client={client}
          path={`/v1/sessions/${info.id}/export`}
          kind="session"
          isRecording={isRecording(info)}
          onClose={close}
        />
      )}
      {shown.link !== undefined && <LinkQuestion target={shown.link} onClose={() => shown.setLink(undefined)} />}
    </main>
  );
}
