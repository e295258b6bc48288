// The calls from plugins to the gateway: for each method its implementation.
//
// To add a call:
// 1. grant/permissions.ts: its permission, and the description for people; grant/calls.ts: the rule that judges it.
// 2. This file: its name. The compiler then reports what is missing in powers/all.ts and in
//    packages/cli/src/plugin/test-powers.ts.
// 3. powers/<name>.ts: the implementation. `gate.allow` judges the arguments; execute only what it returns.
// 4. packages/plugin/src/index.ts, plugins/runtime/plugin-api.ts: the call for authors, and its form on the wire.
// 5. grant/gate.fixture.ts and test/plugins/powers.test.ts: an example for the tests of grants and denials.
// 6. docs: writing-a-plugin.md, plugins.md; generate plugin-permissions.md: WRITE_DOCS=1 npx vitest run grants.test.ts

import type { Gate } from '../grant/gate.ts';

/** The caller of a method. */
export interface PluginCaller {
  readonly plugin: string;
  /** The gate of the plugin. It judges the arguments first, and only what it returns is executed. */
  readonly gate: Gate;
  /** Aborted when the answer is no longer needed: after its deadline, or after the end of the process. */
  readonly signal: AbortSignal;
}

/** Executes a call. Takes unvalidated arguments. Throws BinnacleError. Returns plain data, below 1 MiB as JSON. */
export type Power = (params: unknown, caller: PluginCaller) => Promise<unknown> | unknown;

/** Methods that a plugin can call. `turn` and `channels` belong to drivers and channels. */
export const METHODS = [
  'runCommandWithTimeout',
  'writeConfigFile',
  'readConfigFile',
  'net',
  'notify',
  'readSessions',
  'readConversations',
  'storage',
  'channels',
  'turn',
] as const;
export type PluginMethod = (typeof METHODS)[number];

export type Powers = Readonly<Record<PluginMethod, Power>>;
/** A part of the implementations. */
export type PowersOf<Methods extends PluginMethod> = Pick<Powers, Methods>;

/** Returns the implementation of a method; undefined for an unknown method. */
export function powerNamed(powers: Powers, method: string): Power | undefined {
  const found = METHODS.find((one) => one === method);
  return found === undefined ? undefined : powers[found];
}
