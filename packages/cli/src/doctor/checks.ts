// The checks of `doctor`, one function each. A check changes nothing and prints nothing.

import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import {
  cgroupWarning,
  checkHeader,
  checkPages,
  type Database,
  explained,
  openDatabase,
  PtyLoader,
  socketBase,
} from '@binnacle/server/maintenance';
import { findGateway, gatewayFileOf } from '../gateway/address.ts';
import { clientOf } from '../gateway/connect.ts';
import { httpFetch } from '../gateway/http-fetch.ts';
import { VERSION } from '../version.ts';
import { inspectConfig, problemLine } from './config-check.ts';

export interface Finding {
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** Remedy for the finding. */
  readonly hint?: string | undefined;
}

const ok = (detail: string): Finding => ({ state: 'ok', detail });
const warn = (detail: string, hint: string): Finding => ({ state: 'warn', detail, hint });
const fail = (detail: string, hint: string): Finding => ({ state: 'fail', detail, hint });

/** Checks by displayed name, in this order. */
export const CHECKS: Readonly<Record<string, (dir: string) => Finding | Promise<Finding>>> = {
  node,
  programs,
  'native terminal': nativeTerminal,
  sqlite,
  'data directory': dataDirectory,
  catalogue,
  'disk space': diskSpace,
  'socket path': socketPath,
  'process group': processGroup,
  gateway,
  'config file': configFile,
  runners,
};

/** Maximum wait for the gateway; a gateway on this machine answers within milliseconds. */
const ANSWER_MS = 2000;

export function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const version = `Node ${process.versions.node}`;
  if (major < 20 || (major === 20 && minor < 19))
    return fail(version, 'Install Node 24; 20.19 is the oldest that works.');
  if (major < 22) return warn(`${version} gets no security fixes any more`, 'Install Node 24.');
  return ok(version);
}

function programs(): Finding {
  const missing = ['bash', 'setsid', 'stty'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length > 0) {
    return fail(`${missing.join(', ')} not found`, 'Install bash, util-linux and coreutils; check PATH, too.');
  }
  const setsid = spawnSync('setsid', ['--help'], { encoding: 'utf8' });
  if (!setsid.stdout.includes('--ctty')) {
    return fail('setsid does not support --ctty', 'Install setsid of util-linux; that of busybox lacks --ctty.');
  }
  return ok('bash, setsid, stty');
}

function nativeTerminal(): Finding {
  const problem = new PtyLoader().problem;
  if (problem !== undefined) {
    return warn(
      `${problem.message} Programs on pipes run.`,
      'Install Binnacle again without --omit=optional; until then: binnacle run --pipe',
    );
  }
  return ok(`${process.platform}-${process.arch}`);
}

function sqlite(): Finding {
  const db = openDatabase(':memory:');
  try {
    const row = db.prepare('SELECT sqlite_version() AS version').get() as { version: string };
    return ok(`SQLite ${row.version}`);
  } finally {
    db.close();
  }
}

function dataDirectory(dir: string): Finding {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) return ok(`${dir} (is created at the first start)`);
  if (!stat.isDirectory()) return fail(`${dir} is not a directory`, 'Pass another --data.');
  if (process.getuid !== undefined && stat.uid !== process.getuid()) {
    return fail(`${dir} belongs to user ${stat.uid}`, 'Pass another --data, or run it as that user.');
  }
  const mode = stat.mode & 0o777;
  if ((mode & 0o077) !== 0) return fail(`${dir} has mode 0${mode.toString(8)}`, `chmod 700 ${dir}`);
  return ok(dir);
}

/** Checks the catalogue. The catalogue of a running gateway is read while that gateway uses it. */
function catalogue(dir: string): Finding {
  const path = join(dir, 'catalogue.db');
  if (!existsSync(path)) return ok('not created yet');
  let db: Database | undefined;
  try {
    checkHeader(path);
    db = openDatabase(path);
    checkPages(db, path);
    return ok(path);
  } catch (error) {
    throw explained(path, error);
  } finally {
    db?.close();
  }
}

/** Minimum free bytes: below this, a build's output fills the disk within minutes. */
const LOW_BYTES = 1024 ** 3;

function diskSpace(dir: string): Finding {
  const at = existsSync(dir) ? dir : '/';
  const { bavail, bsize } = statfsSync(at);
  const free = bavail * bsize;
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  return free < LOW_BYTES ? warn(detail, 'Programs wait when the disk is full. Free some space.') : ok(detail);
}

/** Maximum path bytes: sun_path of a unix socket without the final NUL. */
const MAX_SOCKET_PATH = 107;
/** Bytes of the gateway's folder and the runner's file: `/binnacle-<digest>-<random>/<runner>.sock`. */
const SOCKET_NAME_BYTES = 40;

function socketPath(): Finding {
  const base = socketBase();
  const length = Buffer.byteLength(base) + SOCKET_NAME_BYTES;
  if (length <= MAX_SOCKET_PATH) return ok(`below ${base}, about ${length} of ${MAX_SOCKET_PATH} bytes`);
  return fail(
    `about ${length} bytes below ${base}, more than ${MAX_SOCKET_PATH}`,
    'Set XDG_RUNTIME_DIR to a short path.',
  );
}

/** Checks whether an event that ends the gateway also ends the runners. */
function processGroup(): Finding {
  const warning = cgroupWarning();
  if (warning !== undefined) {
    return warn(warning, 'Set KillMode=process in the unit, or start a user manager: loginctl enable-linger');
  }
  if (/^\s*KillUserProcesses\s*=\s*(?:yes|true|1|on)/m.test(readText('/etc/systemd/logind.conf'))) {
    return warn(
      'logging out ends all programs (KillUserProcesses=yes)',
      'loginctl enable-linger, and serve from a unit.',
    );
  }
  return ok('programs keep running when the gateway ends');
}

async function gateway(dir: string): Promise<Finding> {
  const elsewhere = process.env.BINNACLE_URL !== undefined && process.env.BINNACLE_URL !== '';
  if (!elsewhere && gatewayFileOf(dir) === undefined)
    return warn('not running', 'Start the gateway with: binnacle serve');
  const place = await findGateway(undefined, elsewhere ? process.env : { ...process.env, BINNACLE_DATA: dir });
  const client = clientOf(place, ANSWER_MS);
  try {
    const me = await client.me();
    return ok(`${place.url} answers; the token allows ${me.scope}; this is version ${VERSION}`);
  } finally {
    client.close();
  }
}

/**
 * Checks the config file that the running gateway uses, in its current state on disk; else the file that the next start
 * reads.
 */
async function configFile(dir: string): Promise<Finding> {
  const used = await configInUse(dir);
  const path = used ?? join(dir, 'config.jsonc');
  const { holds, problems } = inspectConfig(path, used !== undefined && used !== join(dir, 'config.jsonc'));
  const [first] = problems;
  if (first === undefined)
    return ok(existsSync(path) ? path : 'there is no config file: the only agent is main, which echoes');
  const detail = `${path}:${problemLine(first)}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`;
  const hint = `List all of them: binnacle config check '${path}'`;
  return holds
    ? warn(detail, hint)
    : fail(detail, `The file is refused; a running gateway keeps the previous one. ${hint}`);
}

/** Returns the path of the config file in use; undefined if no gateway of this user answers. */
async function configInUse(dir: string): Promise<string | undefined> {
  try {
    const { url, token } = await findGateway(undefined, { ...process.env, BINNACLE_DATA: dir, BINNACLE_URL: '' });
    const headers = { Authorization: `Bearer ${token}` };
    const response = await httpFetch(new URL('/v1/config/problems', url).href, {
      headers,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const body = (await response.json()) as { readonly path?: unknown };
    return typeof body.path === 'string' ? body.path : undefined;
  } catch {
    return undefined;
  }
}

/** Counts the runners by the `runner.json` in their directories: see RunnerFile in runner/main.ts. */
function runners(dir: string): Finding {
  const folder = join(dir, 'runners');
  if (!existsSync(folder)) return ok('none started yet');
  let alive = 0;
  let deadCount = 0;
  for (const name of readdirSync(folder)) {
    const text = readText(join(folder, name, 'runner.json'));
    if (text === '') continue;
    const { pid } = JSON.parse(text) as { pid: number };
    if (isAlive(pid)) alive += 1;
    else deadCount += 1;
  }
  const detail = `${alive} alive, ${deadCount} gone`;
  return deadCount === 0
    ? ok(detail)
    : warn(detail, 'The gateway marks the sessions of a runner that has ended as lost.');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Returns the text of a file; empty if the file is missing or unreadable. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
