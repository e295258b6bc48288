// Which sessions of the list are shown: here or elsewhere, by source, label, state and words. Pure.

import type { SessionInfo } from '@binnacle/protocol';
import { commandLine } from './words.ts';

export interface SessionFilter {
  readonly where: 'all' | 'here' | 'elsewhere';
  readonly state: 'all' | 'running' | 'ended';
  /** Empty: any. */
  readonly source: string;
  /** `key=value`; empty: any. */
  readonly label: string;
  /** All of them must be in the name or the command, whatever the case. */
  readonly words: string;
}

export const NO_FILTER: SessionFilter = { where: 'all', state: 'all', source: '', label: '', words: '' };

export const isFiltering = (filter: SessionFilter): boolean => narrowings(filter) > 0 || filter.words.trim() !== '';

/** How many of the choices narrow the list; words are seen anyway. */
export const narrowings = (filter: SessionFilter): number =>
  [filter.where !== 'all', filter.state !== 'all', filter.source !== '', filter.label !== ''].filter(Boolean).length;

export function filtered(sessions: readonly SessionInfo[], filter: SessionFilter): readonly SessionInfo[] {
  if (!isFiltering(filter)) return sessions;
  const words = filter.words.toLowerCase().split(/\s+/).filter(Boolean);
  return sessions.filter((info) => {
    const { foreign } = info;
    if (filter.where !== 'all' && (foreign === null) !== (filter.where === 'here')) return false;
    if (filter.state !== 'all' && isUp(info) !== (filter.state === 'running')) return false;
    if (filter.source !== '' && foreign?.source !== filter.source) return false;
    if (filter.label !== '' && !labelsOf(info).includes(filter.label)) return false;
    const text = `${info.name}\n${commandLine(info)}\n${foreign?.sessionId ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

const isUp = (info: SessionInfo): boolean => info.state === 'running' || info.state === 'starting';

/** `key=value` of each label. */
export const labelsOf = (info: SessionInfo): readonly string[] =>
  Object.entries(info.foreign?.labels ?? {}).map(([key, value]) => `${key}=${value}`);

// A list that is longer nobody looks through; what is not in it is found by words.
const MOST_CHOICES = 200;

/** What there is to choose from, each once and in order. */
export function choices(sessions: readonly SessionInfo[]): {
  readonly sources: readonly string[];
  readonly labels: readonly string[];
} {
  const sources = new Set<string>();
  const labels = new Set<string>();
  for (const info of sessions) {
    if (info.foreign !== null) sources.add(info.foreign.source);
    for (const label of labelsOf(info)) labels.add(label);
  }
  return { sources: some(sources), labels: some(labels) };
}

const some = (texts: ReadonlySet<string>): readonly string[] => [...texts].sort().slice(0, MOST_CHOICES);
