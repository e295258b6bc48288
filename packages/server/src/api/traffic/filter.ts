// Matches sessions against the filter of a subscription of /ws/pty-traffic. Pure.

import type { SessionInfo, TrafficFilter } from '@binnacle/protocol';
import { hasLabel } from '../../sessions/list.ts';

/** The `source` of local sessions. */
export const LOCAL = 'local';

type FilterableSession = Pick<SessionInfo, 'id' | 'name' | 'argv' | 'running' | 'exitCode' | 'foreign'>;

/** Returns the command of a session; for a foreign session its first command, which may be empty. */
export const commandLineOf = ({ argv }: Pick<FilterableSession, 'argv'>): string => argv.join(' ');

/** Returns true if all given filters match. */
export function matches(filter: TrafficFilter, info: FilterableSession): boolean {
  const { session_id, source, label, command, exit_code, running } = filter;
  const { foreign } = info;
  if (session_id !== undefined && session_id !== info.id && session_id !== foreign?.sessionId) return false;
  if (source !== undefined && source !== (foreign?.source ?? LOCAL)) return false;
  if (label !== undefined && !hasLabel(foreign?.labels ?? {}, label)) return false;
  if (command !== undefined && !holds(commandLineOf(info), command) && !holds(info.name, command)) return false;
  if (exit_code !== undefined && exit_code !== info.exitCode) return false;
  return running === undefined || running === info.running;
}

const holds = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());
