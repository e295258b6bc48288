// Ages, sizes, times, names and other short texts. Pure.

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

// Control characters, direction marks, and letters without ink.
const BLANK =
  /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\ufeff\ufff9-\ufffc\u{13441}\u{13442}\u{1d159}]/gu;
// Zero-width characters, except joiners and variation selectors.
const UNSEEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}/gu;
// Joiners without neighbours to join.
const IDLE_JOINER =
  /(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])(?:\u200c|\u200d)|(?:\u200c|\u200d)(?![\p{L}\p{Extended_Pictographic}])|(?<![\p{Extended_Pictographic}0-9#*])(?:\ufe0e|\ufe0f)/gu;

/**
 * Makes a name from programs or people safe for one line: without control or direction marks, without zero-width
 * characters that make two names look alike (joiners between letters or emoji stay), and limited in length.
 */
export function oneLine(text: string, limit = 120): string {
  const plain = text.replace(BLANK, ' ').replace(UNSEEN, '').replace(IDLE_JOINER, '').trim();
  const letters = [...plain];
  return letters.length > limit ? `${letters.slice(0, limit - 1).join('')}…` : plain;
}

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
