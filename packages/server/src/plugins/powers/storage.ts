// The storage of plugins: parses their requests and executes what their gate allows. The catalogue has the rows.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import type { PluginStorage } from '../../store/plugin-storage.ts';
import type { Clock } from '../host/supervision.ts';
import { REAL_CLOCK } from '../host/supervision.ts';
import { parsed } from './parse.ts';
import type { PluginCaller, PowersOf } from './powers.ts';
import { PluginRateLimit } from './rate-limit.ts';

const MAX_VALUE_BYTES = 64 * 1024;
/** Maximum bytes of a list of keys as JSON: it must fit into one answer. */
const MAX_LIST_BYTES = 900 * 1024;
/** Units per second; a list costs several. Each unit is an SQLite statement, between those of other parts. */
const PER_SECOND = 2000;
const LIST_UNITS = 50;

const StorageRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('get'), key: z.string() }),
  z.strictObject({ op: z.literal('set'), key: z.string(), value: z.unknown() }),
  z.strictObject({ op: z.literal('delete'), key: z.string() }),
  z.strictObject({ op: z.literal('keys'), prefix: z.string().default('') }),
]);

export function storagePowers(storage: PluginStorage, clock: Clock = REAL_CLOCK): PowersOf<'storage'> {
  const pace = new PluginRateLimit(clock, PER_SECOND);
  return {
    storage: async (params, { plugin, gate, signal }: PluginCaller): Promise<unknown> => {
      gate.demand('storage', params);
      const request = parsed(StorageRequest, params, 'storage');
      const call = gate.allow('storage', request.op === 'keys' ? { prefix: request.prefix } : { key: request.key });
      await pace.wait(plugin, request.op === 'keys' ? LIST_UNITS : 1, signal);
      if ('prefix' in call) return listed(storage.keys(plugin, call.prefix));
      if (request.op === 'set') storage.set(plugin, call.key, jsonOf(request.value));
      else if (request.op === 'delete') storage.delete(plugin, call.key);
      else {
        const json = storage.get(plugin, call.key);
        return json === undefined ? null : JSON.parse(json);
      }
      return null;
    },
  };
}

function jsonOf(value: unknown): string {
  if (value === undefined)
    throw new BinnacleError('bad_request', { message: 'The value is missing: to delete a key, use delete.' });
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes <= MAX_VALUE_BYTES) return json;
  throw new BinnacleError('message_too_large', {
    message: `The value has ${bytes} bytes as JSON; at most ${MAX_VALUE_BYTES} are allowed.`,
    details: { bytes, limit: MAX_VALUE_BYTES },
  });
}

function listed(keys: readonly string[]): readonly string[] {
  const bytes = keys.reduce((sum, key) => sum + key.length + 3, 2);
  if (bytes <= MAX_LIST_BYTES) return keys;
  throw new BinnacleError('message_too_large', {
    message: `There are ${keys.length} keys, more than fit into one answer.`,
    hint: 'Request keys with a longer prefix.',
    details: { keys: keys.length },
  });
}
