// Sources and labels of sessions, as choices of a filter. Pure.

import type { SessionInfo } from '@binnacle/protocol';

/** Returns each label as `key=value`. */
export const labelsOf = (info: SessionInfo): readonly string[] =>
  Object.entries(info.labels).map(([key, value]) => `${key}=${value}`);

// Maximum choices: nobody reads a longer list; words find the rest.
const MOST_CHOICES = 200;

/** Returns the distinct choices, sorted. */
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
