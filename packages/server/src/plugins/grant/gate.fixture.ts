// A gate with a small world of its own, and what comes out of it.

import { BinnacleError } from '@binnacle/protocol';
import type { MachineFacts } from './calls.ts';
import { type Decision, Gate } from './gate.ts';
import { readGrants } from './grants.ts';
import type { PermissionName } from './permissions.ts';

/** `git` and `rg` are there; `/usr/bin/busybox` is what `ls` and `sh` are links to, which is of no matter. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  git: '/usr/bin/git',
  rg: '/opt/tools/rg',
  ls: '/usr/bin/ls',
  sh: '/usr/bin/sh',
  env: '/usr/bin/env',
};

/** 198.41.0.4 is a public address of this machine. */
export const WORLD: MachineFacts = {
  find: (name) => (Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined),
  own: () => new Set(['198.41.0.4', '2620:fe::fe']),
};

export interface Gated {
  readonly gate: Gate;
  readonly decisions: readonly Decision[];
  /** What comes out, or the code of the error. */
  ask(name: PermissionName, args: unknown): unknown;
  refusal(name: PermissionName, args: unknown): BinnacleError;
}

/** `permissions`: as the config file says it. Throws where that is wrong. */
export function gateOf(permissions: unknown, plugin = 'probe'): Gated {
  const decisions: Decision[] = [];
  const grants = readGrants(permissions, (at, message) => {
    throw new Error(`${at.join('.')}: ${message}`);
  });
  const gate = new Gate({ plugin, grants, world: WORLD, audit: (decision) => void decisions.push(decision) });
  const ask = (name: PermissionName, args: unknown): unknown => {
    try {
      return gate.allow(name, args);
    } catch (error) {
      if (error instanceof BinnacleError) return error.code;
      throw error;
    }
  };
  const refusal = (name: PermissionName, args: unknown): BinnacleError => refusalOf(() => gate.allow(name, args));
  return { gate, decisions, ask, refusal };
}

export function refusalOf(act: () => unknown): BinnacleError {
  try {
    act();
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It was allowed.');
}

/** For each permission a call that a grant opens, a narrowing that opens it, and one that does not. */
export const CALLS: Readonly<
  Record<PermissionName, { readonly args: object; readonly opens?: object; readonly closes?: object }>
> = {
  runCommandWithTimeout: {
    args: { argv: ['git', 'status'] },
    opens: { commands: ['git'] },
    closes: { commands: ['rg'] },
  },
  writeConfigFile: {
    args: { key: 'agents.entries.main.model', value: 'qwen3' },
    opens: { keys: ['agents.entries.main.model'] },
    closes: { keys: ['agents.entries.ops.model'] },
  },
  readConfigFile: {
    args: { key: 'agents.entries.main.model' },
    opens: { keys: ['agents.entries'] },
    closes: { keys: ['bindings'] },
  },
  net: {
    args: { url: 'https://api.example.org/v1?q=1' },
    opens: { hosts: ['api.example.org'] },
    closes: { hosts: ['example.org'] },
  },
  tools: { args: { name: 'lookup' }, opens: { names: ['lookup'] }, closes: { names: ['other'] } },
  hooks: { args: { on: 'beforeRun' }, opens: { on: ['beforeRun'] }, closes: { on: ['afterRun'] } },
  httpRoutes: { args: { method: 'POST', path: '/hook/:id' } },
  commands: { args: { name: 'deploy' }, opens: { names: ['deploy'] }, closes: { names: ['deployer'] } },
  channels: { args: { name: 'webhook' }, opens: { names: ['webhook'] }, closes: { names: ['Webhook'] } },
  agentDrivers: { args: { name: 'my-agent' }, opens: { names: ['my-agent'] }, closes: { names: ['agent'] } },
  schedule: { args: { name: 'nightly' } },
  notify: { args: { title: 'Done', text: 'The build is green.' } },
  readSessions: { args: {} },
  readConversations: { args: { key: 'agent:main:main' } },
  storage: { args: { key: 'seen/last' } },
};
