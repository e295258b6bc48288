// Sources and labels of sessions, as a filter offers them. Pure.

import type { SessionInfo } from '@binnacle/protocol';

/** `key=value` of each label. */
export const labelsOf = (info: SessionInfo): readonly string[] =>
  Object.entries(info.labels).map(([key, value]) => `${key}=${value}`);

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
