// Powers of a plugin under test, without a gateway: checked by the same gate, and executed only if the user asked for
// that. Stored values last until the end of the test.

import { BinnacleError } from '@binnacle/protocol';
import { Fetches, type PluginCaller, PluginPrograms, type Power, type Powers } from '@binnacle/server/plugin-host';
import type { PermissionName } from '@binnacle/server/plugin-manifest';
import { z } from 'zod';

/** Permissions with effects beyond the test. */
export const REAL = ['net', 'runCommandWithTimeout'] as const satisfies readonly PermissionName[];
export type RealPower = (typeof REAL)[number];

const Storage = z.looseObject({ op: z.string(), key: z.string().optional(), prefix: z.string().optional() });
const Channel = z.looseObject({ channel: z.string() });

/** Creates the powers. `report` receives one line for each action that was not executed. */
export function standIns(real: readonly RealPower[], report: (line: string) => void): Powers {
  const stored = new Map<string, unknown>();
  const programs = new PluginPrograms({
    mark: `test${process.pid}`,
    log: { warn: (_, message) => report(message) },
  });
  const notDone = (what: string): BinnacleError =>
    new BinnacleError('plugin_refused', {
      message: `A test does not ${what}.`,
      hint: `binnacle plugin test --real ${REAL.join(' --real ')} does what these allow; for the rest, use binnacle plugin dev.`,
    });
  const withheld = (name: RealPower, what: string): Power => {
    return (params, { gate }) => {
      gate.allow(name, params);
      throw notDone(what);
    };
  };
  return {
    net: withheld('net', 'send requests'),
    runCommandWithTimeout: withheld('runCommandWithTimeout', 'run programs'),
    ...(real.includes('net') ? new Fetches().powers : {}),
    ...(real.includes('runCommandWithTimeout') ? programs.powers : {}),
    storage: (params, { gate }) => {
      const { op, key, prefix, value } = Storage.parse(params);
      const call = gate.allow('storage', op === 'keys' ? { prefix: prefix ?? '' } : { key });
      if ('prefix' in call) return [...stored.keys()].filter((one) => one.startsWith(call.prefix)).sort();
      if (op === 'set') stored.set(call.key, value);
      else if (op === 'delete') stored.delete(call.key);
      else return stored.get(call.key) ?? null;
      return null;
    },
    notify: (params, { gate }) => {
      const { title, text } = gate.allow('notify', params);
      report(`would notify people: ${title}${text === '' ? '' : `: ${text}`}`);
      return null;
    },
    channels: (params, { gate }) => {
      const { channel } = Channel.parse(params);
      gate.allow('channels', { name: channel });
      report(`would bring a message in over ${channel}`);
      return { conversation: `agent:main:${channel}`, run: null };
    },
    turn: () => {
      throw new BinnacleError('run_not_found', { message: 'A test starts no turns.' });
    },
    readSessions: (params, caller) => nothing('readSessions', params, caller),
    readConversations: (params, caller) => nothing('readConversations', params, caller),
    readConfigFile: (params, { gate }) => {
      gate.allow('readConfigFile', params);
      return null;
    },
    writeConfigFile: (params, { gate }) => {
      const { path } = gate.allow('writeConfigFile', params);
      report(`would change ${path.join('.')} in the config file`);
      return null;
    },
  };
}

/** Answers reads: a test has no sessions and no conversations. */
function nothing(name: 'readSessions' | 'readConversations', params: unknown, { gate }: PluginCaller): unknown {
  const { op } = z.looseObject({ op: z.string() }).parse(params);
  gate.allow(name, {});
  if (op === 'list') return { items: [], next: null };
  throw new BinnacleError(name === 'readSessions' ? 'session_not_found' : 'conversation_not_found');
}
