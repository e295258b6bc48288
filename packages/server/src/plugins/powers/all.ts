// All calls from plugins to the gateway, and their time limits.

import type { Config } from '../../config/config.ts';
import type { PluginStorage } from '../../store/plugin-storage.ts';
import { configPowers } from './config-file.ts';
import { Fetches, type FetchParts } from './fetch.ts';
import { type NoticeReceiver, notifyPower } from './notify.ts';
import type { Powers, PowersOf } from './powers.ts';
import { commandDeadlineMs, type PluginPrograms } from './run-command.ts';
import { type ReadingParts, readingPowers } from './session-reader.ts';
import { storagePowers } from './storage.ts';

export interface PowerParts {
  readonly programs: PluginPrograms;
  readonly fetch?: FetchParts;
  readonly config: Pick<Config, 'edit' | 'raw'>;
  readonly storage: PluginStorage;
  readonly reading: ReadingParts;
  readonly notices: NoticeReceiver;
  readonly turns: PowersOf<'turn'>;
  readonly channels: PowersOf<'channels'>;
}

export const allPowers = (parts: PowerParts): Powers => ({
  ...parts.programs.powers,
  ...new Fetches(parts.fetch).powers,
  ...configPowers(parts.config),
  ...storagePowers(parts.storage),
  ...readingPowers(parts.reading),
  notify: notifyPower(parts.notices),
  ...parts.turns,
  ...parts.channels,
});

/** Returns the time limit of a call that may take longer than others. `params` are unvalidated. */
export const deadlineOf = (method: string, params: unknown): number | undefined =>
  method === 'runCommandWithTimeout' ? commandDeadlineMs(params) : undefined;
