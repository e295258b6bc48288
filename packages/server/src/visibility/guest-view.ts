// View of a session for guests of share links: its activity and output, and nothing of how it was started.

import { basename } from 'node:path';
import { nameOfCommand, type SessionInfo, shellText, type Timeline } from '@binnacle/protocol';
import type { Entry } from '../log/log.ts';

/**
 * Removes the command, directories and the pid: commands contain secrets, directories describe the machine and its
 * projects, and a pid can be signalled. Replaces a name made of the command by the program's name.
 */
export function infoForGuests(info: SessionInfo): SessionInfo {
  const { argv, name } = info;
  const isOneWord = info.foreign === null && argv.length === 1;
  const commands = [shellText(argv), isOneWord ? undefined : argv.join(' ')].map(nameOfCommand);
  const isMade = commands.some((command) => command !== '' && name.startsWith(command));
  const plain = info.foreign?.sessionId ?? basename(argv[0] ?? '');
  return { ...info, name: isMade ? plain : name, argv: [], cwd: '', pid: null };
}

/** Removes commands and directories from an entry of the log: from runs, emitted events and recordings. */
export function entryForGuests(entry: Entry): Entry {
  if (entry.kind !== 'event' || entry.bytes.length === 0) return entry;
  return {
    ...entry,
    bytes: Buffer.from(JSON.stringify(eventForGuests(JSON.parse(Buffer.from(entry.bytes).toString())))),
  };
}

/**
 * Filters the body of an entry of kind `event` for guests. Unknown bodies, which later versions write, are left out.
 */
function eventForGuests(body: Readonly<Record<string, unknown>>): object {
  const { type } = body;
  const { run, traffic } = body as { readonly run?: object; readonly traffic?: object };
  if (run !== undefined) return { ...body, run: { ...run, command: '', cwd: null } };
  if (traffic !== undefined) return { traffic: without(traffic, ['command', 'command_preview', 'cwd']) };
  switch (type) {
    case 'recording':
      return without(body, ['command', 'title', 'env']);
    case 'marker':
    case 'session_reset':
      return body;
    default:
      return { type };
  }
}

/** Removes the text from marks of runs; their positions stay. */
export const timelineForGuests = (timeline: Timeline): Timeline => ({
  ...timeline,
  marks: timeline.marks.map((mark) => (mark.kind === 'run' ? { ...mark, text: '' } : mark)),
});

const without = (body: object, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
