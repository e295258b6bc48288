// Read and write access of plugins to the config file, as far as their gate allows.

import { BinnacleError } from '@binnacle/protocol';
import type { Config } from '../../config/config.ts';
import { valueAt } from '../../config/edit.ts';
import { type Clock, REAL_CLOCK } from '../host/supervision.ts';
import type { PluginCaller, PowersOf } from './powers.ts';
import { PluginRateLimit } from './rate-limit.ts';

/** Maximum bytes of a value as JSON: it must fit into one answer. */
const MAX_READ_BYTES = 900 * 1024;
/** Maximum changes per second and plugin. Each change is read twice, synced to the disk, and announced to all parts. */
const EDITS_PER_SECOND = 1;
const READS_PER_SECOND = 50;
const UNIT_BYTES = 64 * 1024;
const MAX_UNITS = 50;

export function configPowers(
  config: Pick<Config, 'edit' | 'raw'>,
  clock: Clock = REAL_CLOCK,
): PowersOf<'readConfigFile' | 'writeConfigFile'> {
  const edits = new PluginRateLimit(clock, EDITS_PER_SECOND);
  const reads = new PluginRateLimit(clock, READS_PER_SECOND);
  return {
    writeConfigFile: async (params, { plugin, gate, signal }: PluginCaller): Promise<null> => {
      const { path, value } = gate.allow('writeConfigFile', params);
      await edits.wait(plugin, 1, signal);
      await config.edit(path, value);
      return null;
    },
    readConfigFile: async (params, { plugin, gate, signal }: PluginCaller): Promise<unknown> => {
      const { path } = gate.allow('readConfigFile', params);
      await reads.wait(plugin, 1, signal);
      const picked = gate.pick(path, valueAt(config.raw, path));
      if (picked === undefined) return null;
      const bytes = Buffer.byteLength(JSON.stringify(picked));
      // A large answer costs as much of the gateway's time as many small ones.
      await reads.wait(plugin, Math.min(MAX_UNITS, bytes / UNIT_BYTES), signal);
      if (bytes <= MAX_READ_BYTES) return picked;
      throw new BinnacleError('message_too_large', {
        message: `The value at ${path.join('.')} has ${bytes} bytes, more than fit into one answer.`,
        hint: 'Request a key below it.',
        details: { bytes },
      });
    },
  };
}
