// The page of one session: header, terminal and notices.

import { type ReactNode, useLayoutEffect, useMemo, useState } from 'react';
import type { Command } from '../model/command.ts';
import { capitalized, oneLine } from '../model/format.ts';
import { commandLine, ending, isRecording, title } from '../model/sessions.ts';
import { useMute } from '../notifications/mute-button.tsx';
import { ExportDialog } from '../recordings/export-dialog.tsx';
import { ReplayBar } from '../replay/replay-bar.tsx';
import { ReplayScreen } from '../replay/replay-screen.tsx';
import { type Replay, useReplay } from '../replay/use-replay.ts';
import { ShareDialog } from '../sharing/share-dialog.tsx';
import { textOf } from '../terminal/copy-text.ts';
import { FindBar } from '../terminal/find-bar.tsx';
import { copyText } from '../ui/clipboard.ts';
import { EndSession, killProgram } from './end-session.tsx';
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
import { type SessionScreen, type SessionScreenOptions, useSessionScreen } from './use-session-screen.ts';
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
  const { client, info, scope, menu, onLive } = props;
  const isGuest = props.guest === true;
  /** Position that was reached by going back; not part of the address. */
  const [place, setPlace] = useState<number>();
  const shown = useSessionScreen({ ...props, at: place ?? props.at });
  const [above, setAbove] = useState<SessionOverlay>();
  const [copied, setCopied] = useState('');
  const mute = useMute(client, 'session', isGuest ? undefined : info.id);
  // A recording opens with its timeline, ready to play.
  const [timeline, setTimeline] = useState<'closed' | 'open' | 'opened'>(
    !isGuest && isRecording(info) ? 'open' : 'closed',
  );
  const hasTimeline = timeline !== 'closed';
  const session = useMemo(() => (hasTimeline ? client.session(info.id) : undefined), [hasTimeline, client, info.id]);
  const replay = useReplay(client, session, shown.now, props.theme);

  const { now, follower, control, leaseStatus, steerable } = shown;
  const name = oneLine(title(now));
  const acts = sessionActs(shown, mute, { onTimeline: () => setTimeline('opened'), onOverlay: setAbove, setCopied });
  const commands = sessionCommands(
    {
      ...{ session: info.id, scope, isGuest, leaseStatus, isSteerable: steerable, only: shown.only },
      hasRequested: control.hasRequested,
      isEndable: now.running && !shown.isForeign,
      isPipe: info.mode === 'pipe',
      hasRuns: shown.runCount > 0,
      isMuted: mute.isMuted,
    },
    acts,
  );
  useOffered(props.offered, commands);

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
        {...{ name, leaseStatus, commands, acts, menu }}
        command={oneLine(follower.command ?? commandLine(now), 200)}
        info={now}
        wish={shown.wish}
        isBusy={control.isBusy}
        mute={isGuest ? undefined : mute}
      >
        {shown.presence !== undefined && (
          <PresenceButton
            presence={shown.presence}
            leaseStatus={leaseStatus}
            hasRequested={control.hasRequested}
            onAsk={acts.ask}
            onTransfer={shown.transfer}
          />
        )}
        <SessionMenu commands={commands} status={copied} />
      </SessionHeader>
      <ForeignStrip info={now} heardAt={follower.heardAt} />
      <p className="sr-only" role="status" aria-live="polite" data-testid="status">
        {statusText(shown)}
      </p>
      <div className="stage">
        <ScreenArea {...{ shown, name, replay }} session={isGuest ? undefined : info.id} />
        <div
          className={shown.isSized ? 'notices over' : 'notices'}
          ref={shown.notices}
          aria-live="polite"
          data-testid="notices"
        >
          <SessionNotices
            shown={shown}
            linkNotice={props.linkNotice}
            isReplay={replay.played !== undefined}
            onLive={() => {
              setPlace(undefined);
              onLive();
            }}
            onBack={setPlace}
            onAsk={leaseStatus.kind === 'taken' && !control.hasRequested ? acts.ask : undefined}
          />
        </div>
        {hasTimeline && (
          <ReplayBar
            replay={replay}
            theme={props.theme}
            running={now.running}
            takesFocus={timeline === 'opened'}
            onClose={() => {
              replay.live();
              setTimeline('closed');
              shown.focus();
            }}
          />
        )}
      </div>
      {steerable && <SessionKeys shown={shown} />}
      <SessionDialogs {...{ client, scope, info, shown, above }} onClose={() => setAbove(undefined)} />
    </main>
  );
}

/** The open dialog of a session. */
type SessionOverlay = 'end' | 'share' | 'save';

function statusText({ now, isForeign, leaseStatus, follower }: SessionScreen): string {
  const status = [
    isRecording(now) ? 'A recording' : isForeign ? 'Runs elsewhere' : now.running ? leaseText(leaseStatus) : '',
    follower.phase === 'past' ? 'loading history' : (ending(now) ?? ''),
    follower.place === undefined ? '' : 'at the place found',
  ];
  return capitalized(status.filter(Boolean).join(', '));
}

interface ActOptions {
  readonly onTimeline: () => void;
  readonly onOverlay: (overlay: SessionOverlay) => void;
  /** Receives the outcome of a copy. */
  readonly setCopied: (text: string) => void;
}

function sessionActs(
  shown: SessionScreen,
  mute: ReturnType<typeof useMute>,
  { onTimeline, onOverlay, setCopied }: ActOptions,
): SessionActs {
  const { parts } = shown;
  /** Changes the lease or interrupts, and then focuses the terminal. */
  const steer = (act: 'acquire' | 'take' | 'interrupt') => (): void => {
    parts.current?.steer[act]();
    shown.focus();
  };
  return {
    acquire: steer('acquire'),
    take: steer('take'),
    release: shown.release,
    ask: () => parts.current?.steer.ask(),
    find: () => shown.setFinding(true),
    timeline: onTimeline,
    copy: (what) => {
      const { screen } = parts.current ?? {};
      const text = what === 'all' ? screen && textOf(screen.terminal.buffer.active) : screen?.runs.lastOutput();
      if (text === undefined) return setCopied('There is no output to copy yet.');
      copyText(text).then(
        () => setCopied('Copied.'),
        () => setCopied('The browser did not let the page copy. Select the text and press Ctrl+C.'),
      );
    },
    jump: (isOlder) => parts.current?.screen.jump(isOlder),
    show: shown.showOnly,
    share: () => onOverlay('share'),
    save: () => onOverlay('save'),
    mute: mute.change,
    interrupt: steer('interrupt'),
    end: () => onOverlay('end'),
  };
}

/** Offers the commands to the palette while the session is in view. */
function useOffered(offered: SessionViewProps['offered'], commands: readonly Command[]): void {
  useLayoutEffect(() => {
    if (offered === undefined) return;
    offered.current = commands;
    return () => {
      offered.current = [];
    };
  });
}

interface ScreenAreaProps {
  readonly shown: SessionScreen;
  readonly name: string;
  readonly replay: Replay;
  /** Id of the session, for a search in all of its output. Undefined for a guest. */
  readonly session: string | undefined;
}

/** The terminal, with what covers parts of it. */
function ScreenArea({ shown, name, replay, session }: ScreenAreaProps) {
  const { control, leaseStatus, now } = shown;
  const isPipe = now.mode === 'pipe';
  const { requester } = control;
  return (
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
      {shown.follower.above.state === 'loading' && (
        <p className="above-loading" role="status">
          Loading earlier output…
        </p>
      )}
      {requester !== undefined && control.isYours && (
        <LeaseRequest
          by={requester}
          onTransfer={() => shown.transfer(requester.id)}
          onNotNow={() => {
            control.dismiss('requester');
            shown.focus();
          }}
        />
      )}
      {shown.hovered !== undefined && <div className="target clip">{shown.hovered}</div>}
      {shown.isFinding && (
        <FindBar
          found={shown.found}
          session={session}
          onFind={(query, isOlder, isExact) => void shown.parts.current?.screen.finder.find(query, isOlder, isExact)}
          onClose={() => {
            shown.setFinding(false);
            void shown.parts.current?.screen.finder.clear();
            shown.focus();
          }}
        />
      )}
    </div>
  );
}

/** Keys and a line of text for a device without a keyboard. */
function SessionKeys({ shown }: { readonly shown: SessionScreen }) {
  const { ctrl, setCtrl, fit, parts } = shown;
  return (
    <>
      <KeyBar
        {...{ ctrl, fit }}
        onCtrl={() => setCtrl((on) => !on)}
        onText={(text) => parts.current?.screen.press(text)}
        onArrow={(arrow) => parts.current?.screen.pressArrow(arrow)}
      />
      <TypeBar
        ctrl={ctrl}
        onCtrlKey={(letter) => parts.current?.screen.press(letter)}
        onSend={(text) => parts.current?.screen.enter(text)}
      />
    </>
  );
}

interface SessionDialogsProps extends Pick<SessionViewProps, 'client' | 'scope' | 'info'> {
  readonly shown: SessionScreen;
  readonly above: SessionOverlay | undefined;
  readonly onClose: () => void;
}

function SessionDialogs({ client, scope, info, shown, above, onClose }: SessionDialogsProps) {
  return (
    <>
      {above === 'end' && (
        <EndSession
          info={shown.now}
          onKill={() => killProgram(shown.session, shown.ended)}
          onRemove={() => client.sessions.delete(info.id)}
          onClose={() => {
            onClose();
            shown.focus();
          }}
        />
      )}
      {above === 'share' && (
        <ShareDialog {...{ client, scope, onClose }} target={{ session: info.id }} name={title(info)} />
      )}
      {above === 'save' && (
        <ExportDialog
          {...{ client, onClose }}
          path={`/v1/sessions/${info.id}/export`}
          kind="session"
          isRecording={isRecording(info)}
        />
      )}
      {shown.link !== undefined && <LinkQuestion target={shown.link} onClose={() => shown.setLink(undefined)} />}
    </>
  );
}
