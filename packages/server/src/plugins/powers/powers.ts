// What plugins can ask of the gateway: by the name of a method, who does it.
//
// To add a call:
// 1. grant/permissions.ts: its permission, and for people what that allows; grant/calls.ts: the rule that judges it.
// 2. here: its name. The compiler then says what is missing in powers/all.ts and in plugin/test-powers.ts.
// 3. powers/<name>.ts: the power. It has `gate.allow` judge the arguments, and does what that returns and nothing else.
// 4. packages/plugin/src/index.ts, plugins/runtime/plugin-api.ts: what authors call, and how it goes over the wire.
// 5. grant/gate.fixture.ts and test/plugins/powers.test.ts: an example; the tests of grants and denials take it from there.
// 6. docs: writing-a-plugin.md, plugins.md; plugin-permissions.md is made: WRITE_DOCS=1 npx vitest run grants.test.ts

import type { Gate } from '../grant/gate.ts';

/** Who asks. */
export interface Asking {
  readonly plugin: string;
  /** What is asked goes through it first, and what it returns is what is done. */
  readonly gate: Gate;
  /** Aborted when nobody waits for the answer any more: its deadline is over, or the process has ended. */
  readonly signal: AbortSignal;
}

/** Takes what came over the wire, as it is. Throws BinnacleError. Returns plain data, below 1 MiB as JSON. */
export type Power = (params: unknown, asking: Asking) => Promise<unknown> | unknown;

/** What a plugin can ask for. `turn` and `channels` are of those who offer drivers and channels. */
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
export type Method = (typeof METHODS)[number];

export type Powers = Readonly<Record<Method, Power>>;
/** A part of them. */
export type PowersOf<Methods extends Method> = Pick<Powers, Methods>;

/** Undefined where there is none of that name. */
export function powerNamed(powers: Powers, method: string): Power | undefined {
  const found = METHODS.find((one) => one === method);
  return found === undefined ? undefined : powers[found];
}
