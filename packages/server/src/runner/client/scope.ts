// Keeps runners out of the reach of what ends the gateway: setsid saves from signals, only another cgroup from a cgroup kill.

import { accessSync, readFileSync } from 'node:fs';

/** Command line that starts a runner in a scope of its own where the user's service manager answers, else plainly. */
export function runnerCommand(argv: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return hasUserManager() ? ['systemd-run', '--user', '--scope', '--quiet', '--collect', '--', ...argv] : argv;
}

function hasUserManager(): boolean {
  const runtimeDir = process.env.XDG_RUNTIME_DIR;
  if (runtimeDir === undefined) return false;
  try {
    accessSync(`${runtimeDir}/systemd/private`);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the operator should hear at start: undefined when a stop of the gateway cannot take the runners along.
 * systemd's default KillMode=control-group kills all of a service's cgroup, detached or not.
 */
export function cgroupWarning(): string | undefined {
  if (hasUserManager()) return undefined;
  let own: string;
  try {
    own = readFileSync('/proc/self/cgroup', 'utf8');
  } catch {
    return undefined; // No cgroups here.
  }
  const unit = /\/([^/\n]+\.service)\s*$/m.exec(own)?.[1];
  if (unit === undefined) return undefined;
  return `The gateway runs in ${unit}. Unless that unit has KillMode=process, stopping it ends every program too.`;
}
