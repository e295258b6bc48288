// How the page puts facts into words. Pure; knows no React and no network.

import type { SessionInfo } from '@binnacle/protocol';

/** How a session fares, for its dot: the name is the class of the dot. */
export type Mark = 'running' | 'starting' | 'stalled' | 'ended' | 'failed' | 'lost';

export function mark(info: SessionInfo): Mark {
  if (info.state === 'lost') return 'lost';
  if (info.stalled !== null) return 'stalled';
  if (info.state === 'running' || info.state === 'starting') return info.state;
  // Not every emitter tells how its program ended: that is no failure.
  const isUntold = info.foreign !== null && info.exitCode === null && info.signal === null;
  return info.exitCode === 0 || isUntold || wasStopped(info) ? 'ended' : 'failed';
}

/** Somebody ended it: what these signals ask for is an end, and no fault of the program. */
const wasStopped = ({ signal }: SessionInfo): boolean =>
  signal !== null && ['SIGHUP', 'SIGINT', 'SIGTERM'].includes(signal);

/** One or two words, for the list. */
export function stateWord(info: SessionInfo): string {
  if (info.stalled !== null) return 'waits for disk space';
  if (info.state === 'lost' || info.state === 'starting' || info.state === 'running') return info.state;
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

/** A sentence about how it ended, or undefined while it runs. */
export function ending(info: SessionInfo): string | undefined {
  if (info.state === 'lost')
    return info.foreign === null ? 'lost: its runner died' : 'lost: nothing was heard of it any more';
  if (info.state === 'running' || info.state === 'starting') return undefined;
  if (info.signal !== null) return `ended by ${info.signal}`;
  return info.exitCode === null ? 'ended, its exit code is not known' : `exited with code ${info.exitCode}`;
}

/** What it runs, as one line. */
export function commandLine(info: SessionInfo): string {
  // Emitters send it as its user would type it.
  if (info.foreign !== null && info.argv.length <= 1) return info.argv[0] ?? '';
  const [path = '', ...rest] = info.argv;
  const program = path.slice(path.lastIndexOf('/') + 1);
  if (/^(ba|da|z|k|fi)?sh$/.test(program)) {
    // A command given as text runs as `$SHELL -c TEXT`: the text is what a person wants to read.
    if (rest.length === 2 && /^-[il]*c$/.test(rest[0] ?? '')) return rest[1] ?? '';
    if (rest.every((flag) => /^(-[il]+|--login|--norc)$/.test(flag))) return program;
  }
  return [program, ...rest].join(' ');
}

export const title = (info: SessionInfo): string =>
  info.name || commandLine(info) || info.foreign?.sessionId || 'session';

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

/** Names come from programs and people: no control or direction marks, and not too long for a line. */
export function oneLine(text: string, limit = 120): string {
  const plain = text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ').trim();
  const letters = [...plain];
  return letters.length > limit ? `${letters.slice(0, limit - 1).join('')}…` : plain;
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
