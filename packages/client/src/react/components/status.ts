// What the components say, in words. Pure.

import type { LostReason, SessionInfo } from '@binnacle/protocol';
import type { GapEvent } from '../../session/attachment.ts';
import type { SessionSnapshot } from '../stores/session.ts';

/** `1 byte`, `512 bytes`, `12 KiB`, `3.4 MiB`. */
export function bytesIn(count: number): string {
  if (count < 1024) return count === 1 ? '1 byte' : `${count} bytes`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function gapWords({ from, to, reason }: Pick<GapEvent, 'from' | 'to' | 'reason'>): string {
  const size = bytesIn(to - from);
  const are = to - from === 1 ? 'is' : 'are';
  return reason === 'retention'
    ? `${size} of output ${are} no longer kept.`
    : `${size} of output ${are} damaged and left out.`;
}

const LOST_WORDS: Readonly<Record<LostReason, string>> = {
  runner_died: 'Lost: its runner died.',
  copied: 'It goes on elsewhere: this data directory is a copy, and the program belongs to the original.',
  silent: 'Lost: nothing was heard of it any more.',
};

/** How it ended, or undefined while it runs. */
export function endWords(info: SessionInfo): string | undefined {
  if (info.state === 'lost') return LOST_WORDS[info.lostReason ?? (info.foreign === null ? 'runner_died' : 'silent')];
  if (info.state === 'running' || info.state === 'starting') return undefined;
  if (info.signal !== null) return `Ended by ${info.signal}.`;
  return info.exitCode === null ? 'Ended; its exit code is not known.' : `Exited with code ${info.exitCode}.`;
}

export interface Status {
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly text: string;
  readonly hint?: string;
  /** Of an error. */
  readonly code?: string;
}

/** What is to be said of the reading, or undefined while all is well. */
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
      return { tone: isGood ? 'good' : 'bad', text: (info && endWords(info)) ?? 'Ended.' };
    }
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
