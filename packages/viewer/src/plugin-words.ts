// How the page puts facts about plugins into words. Pure; knows no React and no network.

import type {
  PluginGrantValue,
  PluginInfo,
  PluginLevel,
  PluginOffer,
  PluginPermission,
  PluginState,
} from '@binnacle/protocol';
import { type Mark, oneLine } from './words.ts';

/** What a level means for whoever has to trust it. */
export function levelWords(level: PluginLevel | null): string {
  switch (level) {
    case 'sealed':
      return 'It reaches its own files and what is granted below: no network, no other process, no other file.';
    case 'restricted':
      return 'Node’s permission flags alone hold it: no other file and no other process, but one wall instead of several, and with most versions of Node the network stays open.';
    case 'trusted':
      return 'Nothing holds it: it has all rights of the gateway, because the config file says so.';
    case null:
      return 'How well it is contained is known once it runs.';
  }
}

const STATES: Readonly<Record<PluginState, { readonly words: string; readonly mark: Mark }>> = {
  off: { words: 'off', mark: 'ended' },
  refused: { words: 'refused', mark: 'failed' },
  starting: { words: 'starting', mark: 'starting' },
  running: { words: 'running', mark: 'running' },
  waiting: { words: 'ended, starts again soon', mark: 'stalled' },
  disabled: { words: 'disabled: it ended too often', mark: 'failed' },
  stopped: { words: 'stopped', mark: 'ended' },
};
export const stateOf = ({ state }: Pick<PluginInfo, 'state'>) => STATES[state] ?? STATES.stopped;

const KINDS: Readonly<Record<PluginOffer['kind'], string>> = {
  tool: 'Tool for agents',
  hook: 'Hook',
  route: 'HTTP route',
  command: 'Command in chat',
  channel: 'Channel',
  driver: 'Agent driver',
  job: 'Scheduled job',
};
export const kindWords = (kind: PluginOffer['kind']): string => KINDS[kind] ?? kind;

/** `everything`, `nothing`, or what it is narrowed to: `commands: git, rg`. */
export function valueWords(value: PluginGrantValue): string {
  if (typeof value === 'boolean') return value ? 'everything' : 'nothing';
  return Object.entries(value)
    .map(
      ([name, items]) => `${name}: ${items.length === 0 ? 'none' : items.map((item) => oneLine(item, 100)).join(', ')}`,
    )
    .join('; ');
}

export type Standing = 'granted' | 'partly' | 'denied' | 'unasked';

export function standingOf({ asked, granted, missing }: PluginPermission): Standing {
  if (asked === false) return 'unasked';
  if (missing === false) return 'granted';
  return granted === false ? 'denied' : 'partly';
}

export const standingWords: Readonly<Record<Standing, string>> = {
  granted: 'granted',
  partly: 'granted in part',
  denied: 'not granted',
  unasked: 'granted, though it does not ask',
};

/** All that is granted and all that is asked for: a grant takes the place of what was granted before. */
export function both(granted: PluginGrantValue, asked: PluginGrantValue): PluginGrantValue {
  if (granted === true || asked === true) return true;
  if (granted === false || asked === false) return granted === false ? asked : granted;
  const names = [...new Set([...Object.keys(granted), ...Object.keys(asked)])];
  return Object.fromEntries(
    names.map((name) => [name, [...new Set([...(granted[name] ?? []), ...(asked[name] ?? [])])]]),
  );
}
