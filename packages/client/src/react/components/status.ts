// Text for the state of a session: why it ended, and what keeps it from being read.

import type { LostReason, SessionInfo } from '@binnacle/protocol';
import type { SessionSnapshot } from '../stores/session.ts';

const LOST_TEXTS: Readonly<Record<LostReason, string>> = {
  runner_died: 'Lost: its runner died.',
  copied: 'It goes on elsewhere: this data directory is a copy, and the program belongs to the original.',
  silent: 'Lost: nothing was heard of it any more.',
};

/** How it ended, or undefined while it runs. */
export function endText(info: SessionInfo): string | undefined {
  if (info.state === 'lost') return LOST_TEXTS[info.lostReason ?? (info.foreign === null ? 'runner_died' : 'silent')];
  if (info.state === 'running' || info.state === 'starting') return undefined;
  if (info.signal !== null) return `Ended by ${info.signal}.`;
  return info.exitCode === null ? 'Ended; its exit code is not known.' : `Exited with code ${info.exitCode}.`;
}

export interface Status {
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly text: string;
  readonly hint?: string;
  /** Code of an error. */
  readonly code?: string;
}

/** Returns the status to show, or undefined while all is well. */
export function statusOf({
  state,
  error,
  info,
}: Pick<SessionSnapshot, 'state' | 'error' | 'info'>): Status | undefined {
  switch (state) {
    case 'connecting':
      return { tone: 'plain', text: 'Connecting…' };
    case 'reconnecting':
      return { tone: 'warn', text: 'Reconnecting…', hint: 'Nothing that the program prints is lost.' };
    case 'failed':
      return error === undefined
        ? { tone: 'bad', text: 'It cannot be read.' }
        : { tone: 'bad', text: error.message, hint: error.hint, code: error.code };
    case 'ended': {
      const isGood = info?.exitCode === 0 || (info?.foreign != null && info.exitCode === null && info.signal === null);
      return { tone: isGood ? 'good' : 'bad', text: (info && endText(info)) ?? 'Ended.' };
    }
    case 'paused':
      return { tone: 'plain', text: 'Paused: more output follows.' };
    case 'live':
      return info?.stalled == null
        ? undefined
        : {
            tone: 'warn',
            text: 'The program waits: the gateway’s disk is full.',
            hint: 'It goes on when there is room.',
          };
  }
}
