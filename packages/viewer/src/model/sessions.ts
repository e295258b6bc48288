// Text about a session: its mark, its state, its command, its title and its end. Pure.

import {
  isShell,
  type LostReason,
  nameOfCommand,
  RECORDING_SOURCE,
  type SessionActivity,
  type SessionInfo,
  shellText,
} from '@binnacle/protocol';
import { oneLine } from './format.ts';

/** State of a session for its dot; the name is the dot's class. */
export type Mark = 'running' | 'starting' | 'waits' | 'idle' | 'stalled' | 'ended' | 'failed' | 'lost';

export function mark(info: SessionInfo): Mark {
  if (info.state === 'lost') return 'lost';
  if (info.stalled !== null) return 'stalled';
  if (info.state === 'starting') return info.state;
  if (info.state === 'running') return ACTIVITY_MARKS[info.activity?.state ?? 'working'] ?? 'running';
  // Some emitters report no exit code: that is no failure.
  const isUntold = info.foreign !== null && info.exitCode === null && info.signal === null;
  return info.exitCode === 0 || isUntold || wasStopped(info) ? 'ended' : 'failed';
}

const ACTIVITY_MARKS: Readonly<Record<SessionActivity['state'], Mark>> = {
  waiting_approval: 'waits',
  waiting_input: 'waits',
  working: 'running',
  idle: 'idle',
};

const ACTIVITY_LABELS: Readonly<Record<SessionActivity['state'], string>> = {
  waiting_approval: 'wants permission',
  waiting_input: 'asks a question',
  working: 'working',
  idle: 'idle',
};

/** Returns true if a signal that requests termination ended the session: that is no fault of the program. */
const wasStopped = ({ signal }: SessionInfo): boolean =>
  signal !== null && ['SIGHUP', 'SIGINT', 'SIGTERM'].includes(signal);

/** Returns the state in one or two words, for the list. */
export function stateWord(info: SessionInfo): string {
  if (info.stalled !== null) return 'waits for disk space';
  // A newer gateway may have states that this page does not know.
  if (info.state === 'running') return (info.activity && ACTIVITY_LABELS[info.activity.state]) ?? 'running';
  if (info.state === 'lost') return LOST_LABELS[lostReason(info)];
  if (info.state === 'starting') return info.state;
  if (info.signal !== null) return `ended by ${info.signal}`;
  return info.exitCode === null ? 'ended' : `exited ${info.exitCode}`;
}

/**
 * Returns the sender of a foreign session. A token without a user has only a generated name, whose beginning is enough.
 */
export function sender(user: string): string {
  if (!user.startsWith('token-')) return oneLine(user, 64);
  return user.length > 12
    ? `a token without a user (${oneLine(user.slice(0, 10))}…)`
    : `a token without a user (${oneLine(user)})`;
}

/** Shortens a long id of an emitter, which nobody reads to its end; the whole id belongs in a `title`. */
export function shortId(id: string): string {
  const isUuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id);
  return isUuid ? `${id.slice(0, 8)}…${id.slice(-4)}` : oneLine(id, 60);
}

/** An older gateway reports no reason. */
const lostReason = ({ lostReason: reason, foreign }: SessionInfo): LostReason =>
  reason ?? (foreign === null ? 'runner_died' : 'silent');

const LOST_LABELS: Readonly<Record<LostReason, string>> = {
  runner_died: 'ended with the computer',
  copied: 'goes on elsewhere',
  silent: 'lost contact',
};

const LOST_TEXTS: Readonly<Record<LostReason, string>> = {
  runner_died: 'ended with the computer (its runner died)',
  copied: 'goes on elsewhere: this data directory is a copy, and the program belongs to the original',
  silent: 'lost contact: nothing was heard of it any more',
};

/** Describes how the session ended; undefined while it runs. */
export function ending(info: SessionInfo): string | undefined {
  if (info.state === 'lost') return LOST_TEXTS[lostReason(info)];
  if (info.state === 'running' || info.state === 'starting') return undefined;
  if (info.signal !== null) return `ended by ${info.signal}`;
  if (info.exitCode === null && isRecording(info)) return 'the recording ends here';
  return info.exitCode === null ? 'ended, its exit code is not known' : `exited with code ${info.exitCode}`;
}

/** Returns the command as one line. */
export function commandLine(info: SessionInfo): string {
  // Emitters send the command as its user would type it.
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

/**
 * Returns true if the name is the command, whole or cut. A program's name is not enough: `npm` may be any of its
 * commands.
 */
export function namesCommand(info: SessionInfo): boolean {
  const name = oneLine(title(info));
  const command = commandLine(info);
  if (name === oneLine(command) || name === oneLine(nameOfCommand(command))) return true;
  return name.endsWith('…') && oneLine(command).startsWith(name.slice(0, -1));
}

export const isRecording = ({ foreign }: Pick<SessionInfo, 'foreign'>): boolean => foreign?.source === RECORDING_SOURCE;
