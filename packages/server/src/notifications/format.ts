// Text of a notification: a name and a reason. All text comes from programs, so control and invisible characters are
// removed.

import { singleLine } from '@binnacle/protocol';
import type { UserWait } from './waits.ts';

export interface NotificationText {
  readonly title: string;
  readonly body: string;
}

/** Maximum characters that fit on a lock screen. */
const MAX_TITLE = 80;
const MAX_BODY = 180;

const WHY = {
  waiting_approval: 'Waits for your approval',
  waiting_input: 'Waits for your input',
  silent: 'Has said nothing for a while',
  done: 'Is done',
  failed: 'Has failed',
  stopped: 'Was stopped',
} as const;

/** Formats a wait. `details` includes the program's own words; false for transports whose operators could read them. */
export function notificationText({ state, title, text }: UserWait, details: boolean): NotificationText {
  const name = cut(title, MAX_TITLE) || 'Binnacle';
  const quote = details && text !== null ? cut(text, MAX_BODY - WHY[state].length) : '';
  return { title: name, body: quote === '' ? WHY[state] : `${WHY[state]}: ${quote}` };
}

/** Returns the path of the wait's page, relative to the address of the viewer. */
export const notificationPath = ({ kind, key }: Pick<UserWait, 'kind' | 'key'>): string =>
  kind === 'session' ? `#/${key}` : `#/c/${encodeURIComponent(key)}`;

const cut = (text: string, max: number): string => singleLine(text.slice(0, 4 * max), { max, collapses: true });
