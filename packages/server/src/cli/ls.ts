// `binnacle ls`: the sessions as a table, or as JSON.

import type { SessionInfo } from '@binnacle/protocol';
import { type ClientCommandOptions, withClient } from './connect.ts';
import { EXIT } from './failure.ts';
import { formatDuration } from './quantities.ts';
import { printable, type Style, style, table } from './style.ts';

export async function ls(options: ClientCommandOptions & { readonly running?: boolean }): Promise<number> {
  const all = await withClient(options, (client) => client.sessions.all());
  const sessions = options.running === true ? all.filter((session) => session.running) : all;
  if (options.json === true) process.stdout.write(`${JSON.stringify({ sessions })}\n`);
  else if (sessions.length > 0) process.stdout.write(sessionTable(sessions, Date.now(), style(process.stdout)));
  else process.stderr.write('No sessions. Start one with: binnacle run\n');
  return EXIT.ok;
}

export function sessionTable(sessions: readonly SessionInfo[], now: number, look: Style): string {
  const shortId = shortIds(sessions);
  const head = ['ID', 'STATE', 'NAME', 'AGE', 'HELM', 'COMMAND'].map(look.dim);
  const rows = sessions.map((session) => [
    shortId(session),
    state(session, look),
    printable(session.name) || '-',
    formatDuration(now - session.createdAt),
    session.foreign === null
      ? printable(session.lease?.holder ?? '-')
      : look.dim(`at ${printable(session.foreign.source)}`),
    printable(session.argv.join(' ')),
  ]);
  return table([head, ...rows], process.stdout.columns ?? 120);
}

/** As it ended, not only that it ended. */
function state(session: SessionInfo, look: Style): string {
  if (session.stalled !== null) return look.yellow('disk full');
  if (session.running) return look.green(session.state);
  if (session.signal !== null) return look.red(session.signal);
  if (session.exitCode !== null) return (session.exitCode === 0 ? look.dim : look.red)(`exit ${session.exitCode}`);
  return session.state === 'lost' ? look.red('lost') : look.dim(session.state);
}

/** The shortest beginning that tells all of them apart. Ids begin with their time, so eight digits are often not enough. */
function shortIds(sessions: readonly SessionInfo[]): (session: SessionInfo) => string {
  let length = 8;
  const distinct = (): boolean => new Set(sessions.map(({ id }) => id.slice(0, length))).size === sessions.length;
  while (length < 36 && !distinct()) length += 1;
  return (session) => session.id.slice(0, length).replace(/-$/, '');
}
