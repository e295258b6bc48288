// What plugins can ask of the gateway and that is done in this folder; and how long it may take.

import type { PluginStorage } from '../../catalogue/plugin-storage.ts';
import type { Config } from '../../config/config.ts';
import type { Powers } from '../powers.ts';
import { configPowers } from './config-file.ts';
import { Fetches, type FetchParts } from './fetch.ts';
import { type ReadingParts, readingPowers } from './reading.ts';
import { commandDeadlineMs, type PluginPrograms } from './run-command.ts';
import { storagePowers } from './storage.ts';

export interface PowerParts {
  readonly programs: PluginPrograms;
  readonly fetch?: FetchParts;
  readonly config: Pick<Config, 'edit' | 'raw'>;
  readonly storage: PluginStorage;
  readonly reading: ReadingParts;
}

export const allPowers = ({ programs, fetch, config, storage, reading }: PowerParts): Powers => ({
  ...programs.powers,
  ...new Fetches(fetch).powers,
  ...configPowers(config),
  ...storagePowers(storage),
  ...readingPowers(reading),
});

/** Where the answer to a call may take longer than to others. `params` come as they are from a plugin. */
export const deadlineOf = (method: string, params: unknown): number | undefined =>
  method === 'runCommandWithTimeout' ? commandDeadlineMs(params) : undefined;
