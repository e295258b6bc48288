// Filters the rows of the list: local or foreign, by source, label, state and words. Pure.

import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { activityOf } from '../model/conversations.ts';
import { labelsOf } from '../model/session-facets.ts';
import { commandLine } from '../model/sessions.ts';
import { isWaiting, needsApproval } from './rows.ts';

/** `running`: every session that has not ended, whatever its activity. */
export type StateFilter = 'all' | 'waiting' | 'working' | 'idle' | 'running' | 'ended';

export interface SessionFilter {
  readonly where: 'all' | 'here' | 'elsewhere';
  readonly state: StateFilter;
  /** Empty: any source. */
  readonly source: string;
  /** `key=value`; empty: any label. */
  readonly label: string;
  /** Words that must all be in the name, the title or the command; case-insensitive. */
  readonly text: string;
}

export const NO_FILTER: SessionFilter = { where: 'all', state: 'all', source: '', label: '', text: '' };

export const isFiltering = (filter: SessionFilter): boolean => narrowings(filter) > 0 || filter.text.trim() !== '';

/** Counts the choices that narrow the list; words are visible anyway. */
export const narrowings = (filter: SessionFilter): number =>
  [filter.where !== 'all', filter.state !== 'all', filter.source !== '', filter.label !== ''].filter(Boolean).length;

export function filtered(sessions: readonly SessionInfo[], filter: SessionFilter): readonly SessionInfo[] {
  if (!isFiltering(filter)) return sessions;
  const terms = termsOf(filter);
  return sessions.filter((info) => {
    const { foreign } = info;
    if (filter.where !== 'all' && (foreign === null) !== (filter.where === 'here')) return false;
    if (!isInState(info, filter.state)) return false;
    if (filter.source !== '' && foreign?.source !== filter.source) return false;
    if (filter.label !== '' && !labelsOf(info).includes(filter.label)) return false;
    return terms.length === 0 || hasAll(searchableText(info), terms);
  });
}

/** Filters conversations, which are local and have neither source nor labels. */
export function filteredTalks(
  conversations: readonly ConversationInfo[],
  filter: SessionFilter,
): readonly ConversationInfo[] {
  if (!isFiltering(filter)) return conversations;
  if (filter.where === 'elsewhere' || filter.source !== '' || filter.label !== '') return [];
  const terms = termsOf(filter);
  return conversations.filter(
    (info) => isTalkInState(info, filter.state) && hasAll(`${info.title}\n${info.agent}`.toLowerCase(), terms),
  );
}

const termsOf = (filter: SessionFilter): readonly string[] => filter.text.toLowerCase().split(/\s+/).filter(Boolean);
const hasAll = (text: string, terms: readonly string[]): boolean => terms.every((word) => text.includes(word));

/** Returns the text to search for words. */
export const searchableText = (info: SessionInfo): string =>
  `${info.name}\n${commandLine(info)}\n${info.foreign?.sessionId ?? ''}`.toLowerCase();

function isInState(info: SessionInfo, state: StateFilter): boolean {
  switch (state) {
    case 'all':
      return true;
    case 'waiting':
      return isWaiting(info);
    case 'running':
      return isUp(info);
    case 'ended':
      return !isUp(info);
    default:
      return isUp(info) && info.activity?.state === state;
  }
}

function isTalkInState(info: ConversationInfo, state: StateFilter): boolean {
  const does = activityOf(info);
  switch (state) {
    case 'all':
      return true;
    case 'waiting':
      return needsApproval(info);
    case 'running':
      return does !== 'idle';
    case 'ended':
      return false;
    case 'working':
      return does === 'working' || does === 'waiting';
    case 'idle':
      return does === 'idle';
  }
}

const isUp = (info: SessionInfo): boolean => info.state === 'running' || info.state === 'starting';
