// `binnacle ls`: lists the sessions, as a table or as JSON.

import { commandOf, defined, type SessionActivity, type SessionInfo, type SessionQuery } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { formatDuration } from '../input/quantities.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, styleFor, table, widthOf } from '../output/style.ts';

/** Maximum characters of a waiting session's text in the table. */
const MAX_TEXT = 40;

export async function ls(options: Options<'ls'>): Promise<number> {
  const { waiting, label } = options;
  const query: SessionQuery = { ...(waiting === true ? { activity: 'waiting' } : {}), ...defined({ label }) };
  const all = await withClient(options, (client) => client.sessions.all(query));
  const sessions = waitingFirst(options.running === true ? all.filter((session) => session.running) : all);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ sessions })}\n`);
  else if (sessions.length > 0) process.stdout.write(sessionTable(sessions, Date.now(), styleFor(process.stdout)));
  else process.stderr.write(`${noneText(options)}\n`);
  return EXIT.ok;
}

function noneText({ waiting, label }: Options<'ls'>): string {
  if (label !== undefined) return `No session with the label ${label}.`;
  return waiting === true ? 'No session waits for you.' : 'No sessions. Start one with: binnacle run';
}

export function sessionTable(sessions: readonly SessionInfo[], now: number, style: Style): string {
  const shortId = shortIds(sessions);
  const hasWaitTexts = sessions.some((session) => textOf(session) !== '');
  const head = ['ID', 'STATE', 'NAME', 'AGE', 'CONTROL', ...(hasWaitTexts ? ['WAITS FOR'] : []), 'COMMAND'].map(
    style.dim,
  );
  const rows = sessions.map((session) => [
    shortId(session),
    state(session, style),
    printable(session.name) || '-',
    formatDuration(now - session.createdAt),
    session.foreign === null
      ? printable(session.lease?.holder ?? '-')
      : style.dim(`at ${printable(session.foreign.source)}`),
    ...(hasWaitTexts ? [clipped(printable(textOf(session)))] : []),
    printable(commandOf(session)),
  ]);
  return table([head, ...rows], widthOf(process.stdout));
}

const isWaiting = ({ activity }: SessionInfo): boolean => activity?.state.startsWith('waiting') === true;
const textOf = (session: SessionInfo): string => (isWaiting(session) ? (session.activity?.text ?? '') : '');
const clipped = (text: string): string => (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`);

/** Sorts waiting sessions first; both groups keep the order of newest first. */
const waitingFirst = (sessions: readonly SessionInfo[]): SessionInfo[] => [
  ...sessions.filter(isWaiting),
  ...sessions.filter((session) => !isWaiting(session)),
];

const ACTIVITY: Readonly<Record<SessionActivity['state'], (style: Style) => string>> = {
  waiting_approval: (style) => style.yellow('approval?'),
  waiting_input: (style) => style.yellow('waiting'),
  working: (style) => style.green('working'),
  idle: (style) => style.green('idle'),
};

/** Formats the activity of a running session, or the exit status of an ended one. */
function state(session: SessionInfo, style: Style): string {
  if (session.stalled !== null) return style.yellow('disk full');
  // A gateway of an older version sends no activity.
  if (session.running && session.activity) return ACTIVITY[session.activity.state](style);
  if (session.running) return style.green(session.state);
  if (session.signal !== null) return style.red(session.signal);
  if (session.exitCode !== null) return (session.exitCode === 0 ? style.dim : style.red)(`exit ${session.exitCode}`);
  return session.state === 'lost' ? style.red('lost') : style.dim(session.state);
}

/** Shortens ids to the shortest unique prefix. Ids begin with their time, so eight digits are often not enough. */
function shortIds(sessions: readonly SessionInfo[]): (session: SessionInfo) => string {
  let length = 8;
  const distinct = (): boolean => new Set(sessions.map(({ id }) => id.slice(0, length))).size === sessions.length;
  while (length < 36 && !distinct()) length += 1;
  return (session) => session.id.slice(0, length).replace(/-$/, '');
}
