// Text about plugins. Pure.

import type {
  PluginGrantValue,
  PluginInfo,
  PluginLevel,
  PluginOffer,
  PluginPermission,
  PluginSetting,
  PluginState,
} from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';
import type { Mark } from '../model/sessions.ts';

/** Describes a containment level for the person who has to trust it. */
export function levelText(level: PluginLevel | null): string {
  switch (level) {
    case 'sealed':
      return 'It reaches its own files and what is granted below: no network, no other process, no other file.';
    case 'restricted':
      return 'Node’s permission flags alone hold it: no other file and no other process, but one wall instead of several, and with most versions of Node the network stays open.';
    case 'trusted':
      return 'Nothing contains it: it has all rights of Binnacle, because the config file says so.';
    case null:
      return 'How well it is contained is known once it runs.';
  }
}

const STATES: Readonly<Record<PluginState, { readonly label: string; readonly mark: Mark }>> = {
  off: { label: 'off', mark: 'ended' },
  refused: { label: 'refused', mark: 'failed' },
  unset: { label: 'needs settings', mark: 'stalled' },
  starting: { label: 'starting', mark: 'starting' },
  running: { label: 'running', mark: 'running' },
  waiting: { label: 'ended, starts again soon', mark: 'stalled' },
  disabled: { label: 'disabled: it cannot be kept running', mark: 'failed' },
  stopped: { label: 'stopped', mark: 'ended' },
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
export const kindLabel = (kind: PluginOffer['kind']): string => KINDS[kind] ?? kind;

const ITEMS: Readonly<Record<string, readonly [one: string, several: string]>> = {
  commands: ['program', 'programs'],
  keys: ['key', 'keys'],
  hosts: ['host', 'hosts'],
  on: ['hook', 'hooks'],
  names: ['name', 'names'],
};

/** Returns `nothing`, or the contents of a list: `the programs git, rg`. */
export function grantText(value: PluginGrantValue): string {
  if (typeof value === 'boolean') return value ? 'all of it' : 'nothing';
  const parts = Object.entries(value).filter(([, items]) => items.length > 0);
  const described = parts.map(([name, items]) => {
    const [one, several] = ITEMS[name] ?? [name, name];
    return `the ${items.length === 1 ? one : several} ${items.map((item) => oneLine(item, 100)).join(', ')}`;
  });
  return described.join('; ') || 'nothing';
}

export type GrantStatus = 'granted' | 'narrowed' | 'partly' | 'denied' | 'unasked';

export function grantStatusOf({ asked: requested, granted, missing, narrowed }: PluginPermission): GrantStatus {
  if (requested === false) return 'unasked';
  if (missing === false) return narrowed ? 'narrowed' : 'granted';
  return granted === false ? 'denied' : 'partly';
}

export const grantStatusLabels: Readonly<Record<GrantStatus, string>> = {
  granted: 'granted',
  narrowed: 'narrowed',
  partly: 'granted in part',
  denied: 'not granted',
  unasked: 'granted, though it does not ask',
};

/**
 * Describes, below the sentence and the reason, how much is requested, how much of it is granted, and what is missing.
 */
export function extentTexts(one: PluginPermission): string[] {
  const { asked: requested, granted, missing, narrowed, limits } = one;
  const described = (value: PluginGrantValue): string =>
    value === true && limits !== null ? 'without a limit' : grantText(value);
  return [
    ...(typeof requested === 'object' ? [`Asks for ${described(requested)}.`] : []),
    ...(requested === true && limits !== null ? ['Asks for it without a limit.'] : []),
    ...(narrowed ? [`Narrowed to ${described(granted)}.`] : []),
    ...(!narrowed && typeof granted === 'object' && !isSame(granted, requested)
      ? [`Granted for ${described(granted)}.`]
      : []),
    ...(granted === true && requested !== true && limits !== null ? ['Granted without a limit.'] : []),
    ...(typeof missing === 'object' && granted !== false ? [`Not granted for ${described(missing)}.`] : []),
  ];
}

const isSame = (one: PluginGrantValue, other: PluginGrantValue): boolean => grantText(one) === grantText(other);

/** Returns true if the grant needs a confirmation: it opens unlisted resources, or undoes a manual restriction. */
export const isWide = ({ asked: requested, limits, narrowed }: PluginPermission): boolean =>
  narrowed || (requested === true && limits !== null);

export function settingText({ isRequired, isSet }: PluginSetting): string {
  if (isSet) return 'set';
  return isRequired ? 'needed, and not set' : 'not set';
}
