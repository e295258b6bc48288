// All that is to be said about a session, in order: what is wrong, what is missing, where one is, how it ended.

import type { ReactNode } from 'react';
import { bytes, person } from '../model/format.ts';
import {
  EndNotice,
  ErrorNotice,
  GapNotice,
  HelmLostNotice,
  Notice,
  PlaceNotice,
  StalledNotice,
} from '../ui/notices.tsx';
import { LostNotice } from './foreign-strip.tsx';
import type { Followed } from './log-follower.ts';
import type { SessionScreen } from './use-session-screen.ts';

interface SessionNoticesProps {
  readonly shown: SessionScreen;
  /** Notices about the connection: they stand above ours. */
  readonly linkNotice: ReactNode;
  /** Another moment lies over the live screen: what is to be said of how that one is drawn does not fit. */
  readonly isReplay: boolean;
  readonly onLive: () => void;
  /** Read on further back from that output offset. */
  readonly onBack: (offset: number) => void;
  readonly onAsk: (() => void) | undefined;
}

export function SessionNotices({ shown, linkNotice, isReplay, onLive, onBack, onAsk }: SessionNoticesProps) {
  const { followed, steered, now } = shown;
  const isRefused = steered.error?.code === 'lease_held';
  return (
    <>
      {linkNotice}
      {followed.error !== undefined && <ErrorNotice error={followed.error} />}
      {followed.gap !== undefined && <GapNotice gap={followed.gap} onClose={() => shown.told({ gap: undefined })} />}
      {steered.lostTo !== undefined && now.running && (
        <HelmLostNotice holder={steered.lostTo ?? undefined} onClose={() => shown.steeredTold({ lostTo: undefined })} />
      )}
      {steered.error !== undefined && (
        <ErrorNotice
          error={steered.error}
          {...(isRefused && onAsk !== undefined ? { act: { label: 'Ask for the helm', onClick: onAsk } } : {})}
          onClose={() => shown.steeredTold({ error: undefined })}
        />
      )}
      {steered.hasAsked && (
        <Notice about="helm-asked" tone="plain" onClose={() => shown.steeredTold({ hasAsked: false })}>
          {steered.lease === null ? 'You asked' : `${person(steered.lease.holder)} was asked`} for the helm.{' '}
          <small>It is yours when it is handed over.</small>
        </Notice>
      )}
      {steered.givenBy !== undefined && steered.yours && (
        <Notice about="helm-given" tone="good" onClose={() => shown.steeredTold({ givenBy: undefined })}>
          {person(steered.givenBy)} handed the helm to you. <small>What you type goes to the program.</small>
        </Notice>
      )}
      <LostNotice lostBytes={followed.lostBytes} />
      {!isReplay && <RoughNotice followed={followed} onClose={() => shown.told({ roughFrom: undefined })} />}
      {!isReplay && followed.above.state === 'far' && (
        <Notice
          about="earlier"
          tone="plain"
          act={{ label: 'Go further back', onClick: () => onBack(followed.above.offset) }}
          onClose={() => shown.told({ above: { ...followed.above, state: 'none' } })}
        >
          Older output is kept, and is not loaded here.{' '}
          {followed.above.error !== undefined && <small>{followed.above.error.message}</small>}
        </Notice>
      )}
      {followed.place !== undefined && (
        <PlaceNotice
          place={followed.place}
          ahead={followed.phase === 'held' ? followed.ahead : 0}
          running={now.running}
          onLive={onLive}
        />
      )}
      {now.stalled !== null && <StalledNotice />}
      {!now.running && followed.phase !== 'held' && <EndNotice info={now} />}
    </>
  );
}

/** The screen was not drawn from all of the output: it may not be what the program means to show. */
function RoughNotice({ followed, onClose }: { readonly followed: Followed; readonly onClose: () => void }) {
  if (followed.roughFrom === undefined) return null;
  return (
    <Notice about="rough" tone="warn" onClose={onClose}>
      This screen is drawn from the end of the output alone, and may differ from the program’s.{' '}
      <small>
        from byte {followed.roughFrom.toLocaleString()} on
        {followed.roughFrom > 0 && `, ${bytes(followed.roughFrom)} are before it`}. It becomes right as the program
        draws.
      </small>
    </Notice>
  );
}
