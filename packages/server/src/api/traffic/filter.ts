// Whether a session is one that a subscription of /ws/pty-traffic asks for. Pure; knows no log and no socket.

import type { SessionInfo, TrafficFilter } from '@binnacle/protocol';
import { hasLabel } from '../../sessions/list.ts';

/** The `source` of the sessions that run here. */
export const LOCAL = 'local';

type Known = Pick<SessionInfo, 'id' | 'name' | 'argv' | 'running' | 'exitCode' | 'foreign'>;

/** What is run, as far as the session says it: of foreign ones their first command, which may be none. */
export const commandOf = ({ argv }: Pick<Known, 'argv'>): string => argv.join(' ');

/** All that are given must hold. */
export function matches(filter: TrafficFilter, info: Known): boolean {
  const { session_id, source, label, command, exit_code, running } = filter;
  const { foreign } = info;
  if (session_id !== undefined && session_id !== info.id && session_id !== foreign?.sessionId) return false;
  if (source !== undefined && source !== (foreign?.source ?? LOCAL)) return false;
  if (label !== undefined && !hasLabel(foreign?.labels ?? {}, label)) return false;
  if (command !== undefined && !holds(commandOf(info), command) && !holds(info.name, command)) return false;
  if (exit_code !== undefined && exit_code !== info.exitCode) return false;
  return running === undefined || running === info.running;
}

const holds = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());
