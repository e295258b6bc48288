// The environment of a program: the listed variables of the gateway's environment, and no others.

import { homedir, userInfo } from 'node:os';
import { BinnacleError } from '@binnacle/protocol';
import { SESSION_MARK } from './session-processes.ts';

/** Variables that are passed: user, language, desktop and SSH agent, and never a token of the gateway. */
const PASSED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TMPDIR',
  'EDITOR',
  'VISUAL',
  'PAGER',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'XDG_STATE_HOME',
  'SSH_AUTH_SOCK',
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'DBUS_SESSION_BUS_ADDRESS',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const;
const PASSED_PREFIX = 'LC_';
/** PATH of programs if the gateway's environment has none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/**
 * Maximum bytes per value. Beyond it execve fails with E2BIG, which no user understands (128 KiB per string on Linux).
 */
const MAX_VALUE_BYTES = 128 * 1024 - 256;
const MAX_NAMES = 1000;

export interface EnvironmentOptions {
  /** More names to pass, e.g. ANTHROPIC_API_KEY. */
  readonly passEnv: readonly string[];
}

/**
 * Returns the environment of one program. Throws `bad_request` for names and values that no environment can contain.
 */
export function programEnvironment(
  own: NodeJS.ProcessEnv,
  requested: Readonly<Record<string, string>>,
  session: { readonly id: string; readonly hasTerminal: boolean },
  options: EnvironmentOptions,
): Record<string, string> {
  const env: Record<string, string> = {};
  const user = userInfo();
  Object.assign(env, { PATH: DEFAULT_PATH, HOME: homedir(), USER: user.username, LOGNAME: user.username });
  for (const [name, value] of Object.entries(own)) {
    const isPassed = (PASSED as readonly string[]).includes(name) || name.startsWith(PASSED_PREFIX);
    if (value !== undefined && (isPassed || options.passEnv.includes(name))) env[name] = value;
  }
  env.SHELL ??= user.shell ?? '/bin/sh';
  if (session.hasTerminal) Object.assign(env, { TERM: 'xterm-256color', COLORTERM: 'truecolor' });
  for (const [name, value] of checkEnvironment(requested)) env[name] = value;
  env[SESSION_MARK] = session.id;
  return env;
}

function checkEnvironment(requested: Readonly<Record<string, string>>): [string, string][] {
  const pairs = Object.entries(requested);
  if (pairs.length > MAX_NAMES) {
    throw new BinnacleError('bad_request', { message: `env has more than ${MAX_NAMES} names.` });
  }
  for (const [name, value] of pairs) {
    if (!NAME.test(name)) {
      throw new BinnacleError('bad_request', {
        message: `"${name.slice(0, 40)}" is not a name of an environment variable.`,
      });
    }
    if (value.includes('\0') || Buffer.byteLength(value) > MAX_VALUE_BYTES) {
      throw new BinnacleError('bad_request', { message: `The value of ${name} holds a NUL byte or is too long.` });
    }
  }
  return pairs;
}
