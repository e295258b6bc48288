// Protects runners from the end of the gateway's service: setsid protects from signals, but only another cgroup
// protects from a cgroup kill.

import { accessSync, readFileSync } from 'node:fs';

/**
 * Returns the command line that starts a runner: in a scope unit if the user's service manager is available, otherwise
 * directly.
 */
export function runnerCommand(argv: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return hasUserSystemd() ? ['systemd-run', '--user', '--scope', '--quiet', '--collect', '--', ...argv] : argv;
}

function hasUserSystemd(): boolean {
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
 * Returns a warning for the operator at start, or undefined if a stop of the gateway cannot end the runners. systemd's
 * default KillMode=control-group kills all of a service's cgroup, detached or not.
 */
export function cgroupWarning(): string | undefined {
  if (hasUserSystemd()) return undefined;
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
