// Ages, sizes, times, names and other short texts. Pure.

import { singleLine } from '@binnacle/protocol';

/** Returns `now`, `42 s`, `5 min`, `3 h`, `12 d`. */
export function age(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 5) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 * 2 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** Returns `1 byte`, `512 bytes`, `12 KiB`, `3.4 MiB`. */
export function bytes(count: number): string {
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

/** Makes a name from programs or people safe for one line, and limits its length. */
export const oneLine = (text: string, limit = 120): string => singleLine(text, { max: limit });

const GUEST = ' (guest)';

/** Returns a person's name. The mark of a guest is the last part to be cut, however long the name is. */
export function person(name: string, limit = 40): string {
  if (!name.endsWith(GUEST)) return oneLine(name, limit);
  return `${oneLine(name.slice(0, -GUEST.length), limit - GUEST.length)}${GUEST}`;
}

/** Returns the time of day, with the date if the day is not that of `now`. In the reader's language. */
export function clockTime(at: number, now: number): string {
  const when = new Date(at);
  const time = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (when.toDateString() === new Date(now).toDateString()) return time;
  return `${when.toLocaleDateString([], { day: 'numeric', month: 'short' })} ${time}`;
}

/** Returns `14:03:09`, preceded by the day if that is not today. In the browser's time zone and language. */
export function exactClockTime(time: number, now: number): string {
  const date = new Date(time);
  const at = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return new Date(now).toDateString() === date.toDateString()
    ? at
    : `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} ${at}`;
}

/** Returns `1 event`, `1,204 events`. */
export const counted = (count: number, one: string): string =>
  `${count.toLocaleString()} ${one}${count === 1 ? '' : 's'}`;

/** Returns the remaining time: `less than a minute`, `90 minutes`, `23 hours`, `12 days`. */
export function timeLeftText(expiresAt: number, now: number): string {
  const minutes = Math.max(0, Math.round((expiresAt - now) / 60_000));
  if (minutes < 1) return 'less than a minute';
  if (minutes < 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** Returns a text with its first letter in upper case. */
export const capitalized = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
