// Text about share links. Pure.

import type { ShareDetails, ShareInfo, ShareMode } from '@binnacle/client';
import { CODES, type Code, isCode } from '@binnacle/protocol';
import { oneLine, person, timeLeftText } from '../model/format.ts';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

/** Lifetimes in the dialog; the gateway accepts up to 30 days. */
export const LIFETIMES: readonly { readonly ms: number; readonly label: string }[] = [
  { ms: HOUR_MS, label: '1 hour' },
  { ms: DAY_MS, label: '1 day' },
  { ms: 7 * DAY_MS, label: '7 days' },
  { ms: 30 * DAY_MS, label: '30 days' },
];
export const USUAL_LIFETIME_MS = DAY_MS;
/** Maximum uses that the gateway accepts. */
export const MAX_USES = 1000;
export const MAX_LABEL = 100;

export const MODE_TEXTS: Readonly<Record<ShareMode, { readonly label: string; readonly what: string }>> = {
  view: { label: 'View', what: 'They see it live, and change nothing.' },
  type: { label: 'View and type', what: 'They can write, too. In a terminal: once they take control.' },
};

/** Describes the state of a link in one line. */
export function shareStatusText(share: ShareInfo, now: number): string {
  const used =
    share.uses === null
      ? `opened ${times(share.used)}`
      : `opened ${share.used} of ${share.uses} ${share.uses === 1 ? 'time' : 'times'}`;
  switch (share.state) {
    case 'revoked':
      return share.revokedBy === null ? 'revoked' : `revoked by ${oneLine(share.revokedBy, 40)}`;
    case 'expired':
      return `expired · ${used}`;
    case 'used_up':
      return `${used}; lets nobody else in · ends in ${timeLeftText(share.expiresAt, now)}`;
    default:
      return `${used} · ends in ${timeLeftText(share.expiresAt, now)}`;
  }
}

const times = (count: number): string => (count === 0 ? 'by nobody yet' : count === 1 ? 'once' : `${count} times`);

/** Describes one entry of a link's history. */
export function auditText({ what, by }: ShareDetails['audit'][number]): string {
  const who = person(by, 60);
  switch (what) {
    case 'made':
      return `Made by ${who}`;
    case 'redeemed':
      return `Opened by ${who}`;
    case 'revoked':
      return `Revoked by ${who}`;
    case 'refused':
      return `Somebody was refused: ${isCode(by) ? CODES[by as Code].message : who}`;
    default:
      return `${oneLine(String(what), 40)}: ${who}`;
  }
}
