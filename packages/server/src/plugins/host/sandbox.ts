// The sandbox tools of this machine, and the command line that puts a process into the sandbox. Every tool is tried
// with the arguments that are used later, because a version number proves nothing.

import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import type { Level } from './isolation-level.ts';

export interface Sandbox {
  readonly node: NodeFacts;
  readonly bwrap: Bubblewrap;
  /**
   * Path of prlimit, for limits of the kernel: no written files, no core dumps, bounded memory. Null if it does not
   * work.
   */
  readonly prlimit: string | null;
  /**
   * Path of setpriv, which ends a process together with the gateway where bubblewrap does not. Null if it does not
   * work.
   */
  readonly setpriv: string | null;
  /** True if Node's flags alone close the network. */
  readonly closesNetwork: boolean;
}

export interface NodeFacts {
  readonly path: string;
  readonly version: string;
  /** Shared libraries that this Node loads. */
  readonly libraries: readonly string[];
  /** The flags that only some versions have and this Node supports. */
  readonly flags: readonly string[];
}

export type Bubblewrap =
  | { readonly works: true; readonly path: string; readonly closesUserNamespaces: boolean }
  /** `why`: the reason, for people. */
  | { readonly works: false; readonly why: string };

const PROBE_MS = 10_000;
/** Optional flags. sqlite opens any path whatever the permissions; SIGUSR1 opens an inspector. */
const SOME_FLAGS = ['--permission', '--experimental-permission', '--no-experimental-sqlite', '--disable-sigusr1'];

/** Folder of a sealed plugin inside the sandbox, which hides the real path. */
const INSIDE_DIR = '/plugin';
const INSIDE_RUNTIME = '/binnacle/plugin-runtime.mjs';

export interface SandboxOptions {
  /** The Node that runs plugins. Default: the gateway's. */
  readonly node?: string;
  /** Folders in which to find bwrap, prlimit and setpriv. Default: those of PATH. */
  readonly path?: string;
}

/** Probes the tools. Takes about 200 ms; call once. */
export async function probeSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const path = options.path ?? process.env.PATH ?? '';
  const node = await askNode(options.node ?? process.execPath);
  const [prlimit, setpriv, bwrap] = await Promise.all([
    tryTool(find('prlimit', path), [...prlimitArgs(1024 * 1024 * 1024), node.path, '-e', '0']),
    tryTool(find('setpriv', path), [...SETPRIV_ARGS, node.path, '-e', '0']),
    tryBubblewrap(find('bwrap', path), node),
  ]);
  return { node, bwrap, prlimit, setpriv, closesNetwork: major(node) >= 25 };
}

export interface SandboxedProcess {
  readonly level: Level;
  /** Folder of the plugin, the only one that it can read. */
  readonly dir: string;
  /** Path within `dir`. */
  readonly entry: string;
  readonly runtimeScript: string;
  readonly memoryBytes: number;
}

export interface SandboxCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Folder and entry of the plugin as its process sees them. */
  readonly dir: string;
  readonly entry: string;
  /** Missing tools of this machine, whose protection was left out. */
  readonly missing: readonly string[];
}

/** Returns the command line of a plugin's process. Throws `plugin_refused`. */
export function sandboxCommand(sandbox: Sandbox, inmate: SandboxedProcess): SandboxCommand {
  const { node } = sandbox;
  const heap = `--max-old-space-size=${Math.max(16, Math.floor(inmate.memoryBytes / 2 / 1024 / 1024))}`;
  if (inmate.level === 'trusted') {
    const { dir, entry } = inmate;
    return { file: node.path, args: [heap, inmate.runtimeScript], dir, entry: join(dir, entry), missing: [] };
  }
  const isSealed = inmate.level === 'sealed';
  const dir = isSealed ? INSIDE_DIR : inmate.dir;
  const runtimeScript = isSealed ? INSIDE_RUNTIME : inmate.runtimeScript;
  const argv = [node.path, ...nodeFlags(node, [dir, runtimeScript]), heap, runtimeScript];
  const missing: string[] = [];
  if (isSealed) {
    const { bwrap } = sandbox;
    if (!bwrap.works) throw new BinnacleError('plugin_refused', { message: `bubblewrap: ${bwrap.why}` });
    const binds = ['--ro-bind', inmate.dir, INSIDE_DIR, '--ro-bind', inmate.runtimeScript, INSIDE_RUNTIME];
    argv.unshift(bwrap.path, ...bwrapArgs(node, binds, bwrap.closesUserNamespaces), '--');
  } else if (sandbox.setpriv === null) missing.push('setpriv');
  else argv.unshift(sandbox.setpriv, ...SETPRIV_ARGS);
  if (sandbox.prlimit === null) missing.push('prlimit');
  else argv.unshift(sandbox.prlimit, ...prlimitArgs(inmate.memoryBytes));
  const [file = '', ...args] = argv;
  return { file, args, dir, entry: join(dir, inmate.entry), missing };
}

/**
 * Returns Node's flags. Throws `plugin_refused` for a path with a comma, which separates paths in these flags, or a
 * star, which is a wildcard.
 */
export function nodeFlags(node: NodeFacts, readable: readonly string[]): string[] {
  const odd = readable.find((path) => /[*,\0]/.test(path));
  if (odd !== undefined) {
    throw new BinnacleError('plugin_refused', { message: `A plugin's path has no "*" and no ",": ${odd}` });
  }
  const permission = node.flags.includes('--permission') ? '--permission' : '--experimental-permission';
  return [
    permission,
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--no-addons',
    '--disable-proto=delete',
    '--disallow-code-generation-from-strings',
    // V8 has flags that write files (--trace-turbo), and they can be set at run time.
    '--freeze-flags-after-init',
    '--disable-warning=ExperimentalWarning',
    ...node.flags.filter((flag) => flag !== '--permission' && flag !== '--experimental-permission'),
  ];
}

/**
 * Returns the arguments of bubblewrap. The file system consists of node, its libraries and `binds`: no shell, no /etc,
 * no /proc, and nothing writable.
 */
function bwrapArgs(node: NodeFacts, binds: readonly string[], closesUserNamespaces: boolean): string[] {
  return [
    '--unshare-all',
    '--unshare-user',
    ...(closesUserNamespaces ? ['--disable-userns'] : []),
    '--die-with-parent',
    '--new-session',
    '--as-pid-1',
    ...['--cap-drop', 'ALL', '--clearenv', '--uid', '65534', '--gid', '65534', '--hostname', 'plugin'],
    ...node.libraries.flatMap((path) => ['--ro-bind', path, path]),
    ...['--ro-bind', node.path, node.path],
    ...['null', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ...binds,
    // Last, because the binds need mount points. From here on the root accepts no files, and therefore costs no memory.
    ...['--remount-ro', '/', '--chdir', '/'],
  ];
}

/** Returns the arguments of prlimit. A file of any length over 0 ends the writer. Pipes and sockets are not files. */
const prlimitArgs = (memoryBytes: number): string[] => [
  '--core=0',
  '--fsize=0',
  '--nofile=256',
  // A second barrier behind the watchdog, because a program can fill memory faster than the watchdog checks. Node
  // itself needs some hundred MiB of the data counted here.
  `--data=${memoryBytes + 768 * 1024 * 1024}`,
  '--',
];

const SETPRIV_ARGS = ['--pdeathsig', 'KILL', '--no-new-privs', '--'];

const major = (node: NodeFacts): number => Number(node.version.split('.')[0]);

const ASK_NODE = `
const { report } = process;
report.excludeNetwork = true;
const libraries = report.getReport().sharedObjects.filter((path) => path.startsWith('/') && !path.endsWith('.node'));
const flags = ${JSON.stringify(SOME_FLAGS)}.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag));
console.log(JSON.stringify({ path: process.execPath, version: process.versions.node, libraries, flags }));`;

async function askNode(path: string): Promise<NodeFacts> {
  const { error, stdout } = await run(path, ['-e', ASK_NODE]);
  if (error !== null) throw new BinnacleError('start_failed', { message: `${path} does not run.`, cause: error });
  return JSON.parse(stdout) as NodeFacts;
}

/** Script that checks the sandbox from inside. Runs without Node's own flags, so that it tests bubblewrap alone. */
const ASK_WALL = `
const fs = require('node:fs');
let wrote = false;
try { fs.writeFileSync('/x', 'x'); wrote = true; } catch {}
const links = Object.keys(require('node:os').networkInterfaces()).filter((name) => name !== 'lo');
console.log(JSON.stringify({ pid: process.pid, wrote, links, etc: fs.existsSync('/etc'), proc: fs.existsSync('/proc') }));`;

const WALL = JSON.stringify({ pid: 1, wrote: false, links: [], etc: false, proc: false });

async function tryBubblewrap(path: string | undefined, node: NodeFacts): Promise<Bubblewrap> {
  if (process.platform !== 'linux') return { works: false, why: 'it is for Linux only' };
  if (path === undefined) return { works: false, why: 'bwrap is not installed' };
  let why = '';
  // Older versions cannot close user namespaces, which is one inner barrier less.
  for (const closesUserNamespaces of [true, false]) {
    const argv = [...bwrapArgs(node, [], closesUserNamespaces), '--', node.path, '-e', ASK_WALL];
    const { error, stdout, stderr } = await run(path, argv);
    if (error === null && stdout.trim() === WALL) return { works: true, path, closesUserNamespaces };
    why = error === null ? `it does not hold: ${stdout.trim()}` : stderr.trim().split('\n')[0] || error.message;
  }
  return { works: false, why: why.slice(0, 300) };
}

async function tryTool(path: string | undefined, args: readonly string[]): Promise<string | null> {
  if (path === undefined) return null;
  const { error } = await run(path, args);
  return error === null ? path : null;
}

function run(
  file: string,
  args: readonly string[],
): Promise<{ error: ExecFileException | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { env: {}, cwd: '/', timeout: PROBE_MS, killSignal: 'SIGKILL' as const, maxBuffer: 1024 * 1024 };
    execFile(file, args, options, (error, stdout, stderr) => resolve({ error, stdout, stderr }));
  });
}

/** Finds a program in absolute folders only, so that the result does not depend on the gateway's working directory. */
function find(name: string, path: string): string | undefined {
  for (const folder of path.split(':').filter(isAbsolute)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Continues with the next folder.
    }
  }
  return undefined;
}
