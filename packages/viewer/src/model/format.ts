// How the page puts facts into words. Pure; knows no React and no network.

import {
  isShell,
  type LostReason,
  nameOfCommand,
  type SessionActivity,
  type SessionInfo,
  shellText,
} from '@binnacle/protocol';
import { isRecording } from '../recordings/format.ts';

/** How a session fares, for its dot: the name is the class of the dot. */
export type Mark = 'running' | 'starting' | 'waits' | 'idle' | 'stalled' | 'ended' | 'failed' | 'lost';

export function mark(info: SessionInfo): Mark {
  if (info.state === 'lost') return 'lost';
  if (info.stalled !== null) return 'stalled';
  if (info.state === 'starting') return info.state;
  if (info.state === 'running') return ACTIVITY_MARKS[info.activity?.state ?? 'working'] ?? 'running';
  // Not every emitter tells how its program ended: that is no failure.
  const isUntold = info.foreign !== null && info.exitCode === null && info.signal === null;
  return info.exitCode === 0 || isUntold || wasStopped(info) ? 'ended' : 'failed';
}

const ACTIVITY_MARKS: Readonly<Record<SessionActivity['state'], Mark>> = {
  waiting_approval: 'waits',
  waiting_input: 'waits',
  working: 'running',
  idle: 'idle',
};

const ACTIVITY_WORDS: Readonly<Record<SessionActivity['state'], string>> = {
  waiting_approval: 'waits for approval',
  waiting_input: 'waits for input',
  working: 'working',
  idle: 'idle',
};

/** Somebody ended it: what these signals ask for is an end, and no fault of the program. */
const wasStopped = ({ signal }: SessionInfo): boolean =>
  signal !== null && ['SIGHUP', 'SIGINT', 'SIGTERM'].includes(signal);

/** One or two words, for the list. */
export function stateWord(info: SessionInfo): string {
  if (info.stalled !== null) return 'waits for disk space';
  // A newer gateway may know states that this page does not.
  if (info.state === 'running') return (info.activity && ACTIVITY_WORDS[info.activity.state]) ?? 'running';
  if (info.state === 'lost' || info.state === 'starting') return info.state;
  if (info.signal !== null) return `ended by ${info.signal}`;
  return info.exitCode === null ? 'ended' : `exited ${info.exitCode}`;
}

/** Who sent a session from elsewhere. A token without a user has only a made-up name, of which the beginning is enough. */
export function sender(user: string): string {
  if (!user.startsWith('token-')) return oneLine(user, 64);
  return user.length > 12
    ? `a token without a user (${oneLine(user.slice(0, 10))}…)`
    : `a token without a user (${oneLine(user)})`;
}

/** A long id of an emitter, which nobody reads to its end; the whole of it belongs in a `title`. */
export function shortId(id: string): string {
  const isUuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id);
  return isUuid ? `${id.slice(0, 8)}…${id.slice(-4)}` : oneLine(id, 60);
}

const LOST_WORDS: Readonly<Record<LostReason, string>> = {
  runner_died: 'lost: its runner died',
  copied: 'goes on elsewhere: this data directory is a copy, and the program belongs to the original',
  silent: 'lost: nothing was heard of it any more',
};

/** A sentence about how it ended, or undefined while it runs. */
export function ending(info: SessionInfo): string | undefined {
  if (info.state === 'lost') return LOST_WORDS[info.lostReason ?? (info.foreign === null ? 'runner_died' : 'silent')];
  if (info.state === 'running' || info.state === 'starting') return undefined;
  if (info.signal !== null) return `ended by ${info.signal}`;
  if (info.exitCode === null && isRecording(info)) return 'the recording ends here';
  return info.exitCode === null ? 'ended, its exit code is not known' : `exited with code ${info.exitCode}`;
}

/** What it runs, as one line. */
export function commandLine(info: SessionInfo): string {
  // Emitters send it as its user would type it.
  if (info.foreign !== null && info.argv.length <= 1) return info.argv[0] ?? '';
  const text = shellText(info.argv);
  if (text !== undefined) return text;
  const [path = '', ...rest] = info.argv;
  const program = path.slice(path.lastIndexOf('/') + 1);
  if (isShell(program) && rest.every((flag) => /^(-[il]+|--login|--norc)$/.test(flag))) return program;
  return [program, ...rest].join(' ');
}

export const title = (info: SessionInfo): string =>
  info.name || commandLine(info) || info.foreign?.sessionId || 'session';

/** The name says the command, whole or cut. A program's name does not: `npm` may be any of its commands. */
export function namesCommand(info: SessionInfo): boolean {
  const name = oneLine(title(info));
  const command = commandLine(info);
  if (name === oneLine(command) || name === oneLine(nameOfCommand(command))) return true;
  return name.endsWith('…') && oneLine(command).startsWith(name.slice(0, -1));
}

/** `now`, `42 s`, `5 min`, `3 h`, `12 d`. */
export function age(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 5) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 * 2 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** `1 byte`, `512 bytes`, `12 KiB`, `3.4 MiB`. */
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

// What acts or turns the order, and letters without ink.
const BLANK =
  /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\ufeff\ufff9-\ufffc\u{13441}\u{13442}\u{1d159}]/gu;
// What has no width at all, but for what joins others.
const UNSEEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}/gu;
// What joins, where it joins nothing.
const IDLE_JOINER =
  /(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])(?:\u200c|\u200d)|(?:\u200c|\u200d)(?![\p{L}\p{Extended_Pictographic}])|(?<![\p{Extended_Pictographic}0-9#*])(?:\ufe0e|\ufe0f)/gu;

/**
 * Names come from programs and people: no control or direction marks, nothing without a width that makes two names look
 * alike (what joins letters and pictures stays), and not too long for a line.
 */
export function oneLine(text: string, limit = 120): string {
  const plain = text.replace(BLANK, ' ').replace(UNSEEN, '').replace(IDLE_JOINER, '').trim();
  const letters = [...plain];
  return letters.length > limit ? `${letters.slice(0, limit - 1).join('')}…` : plain;
}

const GUEST = ' (guest)';

/** Somebody's name. However long it is: that it is a guest's is the last to be cut. */
export function person(name: string, limit = 40): string {
  if (!name.endsWith(GUEST)) return oneLine(name, limit);
  return `${oneLine(name.slice(0, -GUEST.length), limit - GUEST.length)}${GUEST}`;
}

/** The ticket in a login link, in its fragment alone, or as it is. Undefined when there is none. */
export function ticketIn(text: string): string | undefined {
  const match = /(?:^|#|&)ticket=([^&\s]+)/.exec(text.trim());
  if (match?.[1] !== undefined) return decode(match[1]);
  return /^[A-Za-z0-9._~-]{8,200}$/.test(text.trim()) ? text.trim() : undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a broken escape: there is no ticket in this
  }
}
