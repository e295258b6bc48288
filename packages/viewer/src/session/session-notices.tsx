// All notices about a session, in order: faults, gaps, the position, and the end.

import type { GapEvent } from '@binnacle/client';
import { BinnacleError, type Code, type SessionInfo } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { age, bytes, capitalized, person } from '../model/format.ts';
import { ending, mark } from '../model/sessions.ts';
import { ErrorNotice, Notice } from '../ui/notices.tsx';
import { LostNotice } from './foreign-strip.tsx';
import type { SessionScreen } from './use-session-screen.ts';

interface SessionNoticesProps {
  readonly shown: SessionScreen;
  /** Notices about the connection, placed above the session's own. */
  readonly linkNotice: ReactNode;
  /** True if another moment covers the live screen: notices about the drawing of the live screen do not fit then. */
  readonly isReplay: boolean;
  readonly onLive: () => void;
  /** Reads further back from that output offset. */
  readonly onBack: (offset: number) => void;
  readonly onAsk: (() => void) | undefined;
}

export function SessionNotices({ shown, linkNotice, isReplay, onLive, onBack, onAsk }: SessionNoticesProps) {
  const { follower, control, problem, now } = shown;
  const isRefused = problem?.code === 'lease_held';
  return (
    <>
      {linkNotice}
      {follower.error !== undefined && <ErrorNotice error={follower.error} />}
      {follower.gap !== undefined && <GapNotice gap={follower.gap} onClose={shown.dismissGap} />}
      {control.lostTo !== undefined && now.running && (
        <LeaseLostNotice holder={control.lostTo ?? undefined} onClose={() => control.dismiss('lostTo')} />
      )}
      {problem !== undefined && (
        <ErrorNotice
          error={pageError(problem)}
          {...(isRefused && onAsk !== undefined ? { act: { label: 'Ask for control', onClick: onAsk } } : {})}
          onClose={shown.dismissProblem}
        />
      )}
      {control.hasRequested && (
        <Notice about="lease-requested" tone="plain" onClose={() => control.dismiss('hasRequested')}>
          {control.lease === null ? 'You asked' : `${person(control.lease.holder)} was asked`} for control.{' '}
          <small>You get it when it is handed over.</small>
        </Notice>
      )}
      {control.receivedFrom !== undefined && control.isYours && (
        <Notice about="lease-received" tone="good" onClose={() => control.dismiss('receivedFrom')}>
          {person(control.receivedFrom)} gave you control. <small>What you type goes to the program.</small>
        </Notice>
      )}
      <LostNotice lostBytes={follower.lostBytes} />
      {!isReplay && <RoughNotice from={follower.roughFrom} onClose={shown.dismissRough} />}
      {!isReplay && follower.above.state === 'far' && (
        <Notice
          about="earlier"
          tone="plain"
          act={{ label: 'Go further back', onClick: () => onBack(follower.above.offset) }}
          onClose={shown.dismissAbove}
        >
          Older output is kept, and is not loaded here.{' '}
          {follower.above.error !== undefined && <small>{follower.above.error.message}</small>}
        </Notice>
      )}
      {follower.place !== undefined && (
        <PlaceNotice
          place={follower.place}
          ahead={follower.phase === 'paused' ? follower.ahead : 0}
          running={now.running}
          onLive={onLive}
        />
      )}
      {now.stalled !== null && <StalledNotice />}
      {!now.running && follower.phase !== 'paused' && <EndNotice info={now} />}
    </>
  );
}

/** Texts for people, for codes whose messages are for programs. */
const LEASE_ERRORS: Readonly<Partial<Record<Code, { readonly message: string; readonly hint: string }>>> = {
  lease_lost: { message: 'You’re no longer in control.', hint: 'Take control again to type.' },
  taken_over: { message: 'Someone else took over.', hint: 'Take control again to type.' },
  holder_unreachable: { message: 'The person in control cannot be asked.', hint: 'Wait, or take over.' },
  asked_lately: { message: 'The person in control was asked a moment ago.', hint: 'Give them a moment to answer.' },
};

/** Returns an error about the lease with a text for people; any other error as it is. */
function pageError(error: BinnacleError): BinnacleError {
  const holder = error.details?.holder;
  const text =
    error.code === 'lease_held' && typeof holder === 'string'
      ? { message: `${person(holder)} is in control.`, hint: 'Take over to type.' }
      : LEASE_ERRORS[error.code];
  return text === undefined ? error : new BinnacleError(error.code, text);
}

/** Warns that the screen was not drawn from all of the output and may differ from what the program means to show. */
function RoughNotice({ from, onClose }: { readonly from: number | undefined; readonly onClose: () => void }) {
  if (from === undefined) return null;
  return (
    <Notice about="rough" tone="warn" onClose={onClose}>
      Earlier output may look different.
      {from > 0 && <small> {bytes(from)} of it were not drawn.</small>}
    </Notice>
  );
}

export function GapNotice({ gap, onClose }: { readonly gap: GapEvent; readonly onClose: () => void }) {
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
  const text = ending(info);
  if (text === undefined) return null;
  const how = mark(info);
  const after = info.exitedAt === null ? undefined : age(info.exitedAt - info.createdAt);
  return (
    <Notice about="exit" tone={how === 'ended' ? 'good' : 'bad'}>
      {capitalized(text)} {after !== undefined && after !== 'now' && <small>after {after}</small>}
    </Notice>
  );
}

export function StalledNotice() {
  return (
    <Notice about="stalled" tone="warn">
      Paused: the disk is full. <small>It continues when you free space.</small>
    </Notice>
  );
}

/** Reports that another holder has the lease now. */
export function LeaseLostNotice({
  holder,
  onClose,
}: {
  readonly holder: string | undefined;
  readonly onClose: () => void;
}) {
  return (
    <Notice about="lease-lost" tone="warn" onClose={onClose}>
      {holder === undefined ? 'You’re no longer in control.' : `${person(holder)} took over.`}{' '}
      <small>You’re watching.</small>
    </Notice>
  );
}

interface PlaceNoticeProps {
  /** Output offset, and whether the output at that offset is gone. */
  readonly place: { readonly at: number; readonly isRemoved: boolean };
  /** Output bytes after the drawn part. */
  readonly ahead: number;
  readonly running: boolean;
  readonly onLive: () => void;
}

/** Shows that an old position is in view, and leads back to the live output. */
export function PlaceNotice({ place, ahead, running, onLive }: PlaceNoticeProps) {
  return (
    <Notice about="place" tone="plain" act={{ label: running ? 'Go on to live' : 'Go to the end', onClick: onLive }}>
      {place.isRemoved
        ? 'The place that was found is no longer kept: what follows it is marked.'
        : 'The place that was found is marked.'}{' '}
      <small>byte {place.at.toLocaleString()}</small>
      {ahead > 0 && <small>, {bytes(ahead)} more follow what is shown</small>}
    </Notice>
  );
}
