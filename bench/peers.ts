// Programs that Binnacle is compared with: found on this machine, never installed by the bench.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cpuMs, end, until } from './processes.ts';
import { Role } from './role.ts';
import type { NodePtyReport } from './roles/node-pty.ts';

export interface BareRead {
  readonly bytes: number;
  readonly ms: number;
}

export interface Peers {
  readonly ttyd: string | undefined;
  readonly ttyShare: string | undefined;
  /** Browser for both pages. */
  readonly chromium: string | undefined;
  /** The bare PTY reader in C, where there is a compiler. */
  readonly reader: string | undefined;
  readonly missing: readonly string[];
}

export function findPeers(root: string, scratch: string): Peers {
  const ttyd = find('TTYD', 'ttyd');
  const ttyShare = find('TTY_SHARE', 'tty-share');
  const chromium = find('BINNACLE_CHROMIUM', 'chromium');
  const reader = compile(join(root, 'bench/native/pty-read.c'), join(scratch, 'pty-read'));
  const missing = [
    ...(ttyd === undefined ? ['ttyd (not on PATH, and $TTYD is not set)'] : []),
    ...(ttyShare === undefined ? ['tty-share (not on PATH, and $TTY_SHARE is not set)'] : []),
    ...(chromium === undefined ? ['Chromium (not on PATH, and $BINNACLE_CHROMIUM is not set)'] : []),
    ...(reader === undefined ? ['the bare PTY reader in C (no compiler; node-pty stands in)'] : []),
    'better-sqlite3 (never installed: version 13 crashes Node 20; the same SQLite in @photostructure/sqlite stands in)',
  ];
  return { ttyd, ttyShare, chromium, reader, missing };
}

function find(variable: string, name: string): string | undefined {
  const override = process.env[variable];
  if (override !== undefined && override !== '') return override;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
}

function compile(source: string, target: string): string | undefined {
  try {
    execFileSync('cc', ['-O2', '-o', target, source, '-lutil'], { stdio: 'ignore' });
    return target;
  } catch {
    return undefined; // No compiler, or one that does not know forkpty.
  }
}

export async function readBare(peers: Peers, command: string, release: () => void): Promise<BareRead> {
  if (peers.reader === undefined) {
    const role = new Role<NodePtyReport>('node-pty', { runs: [], command });
    await role.ready();
    release();
    return await role.done();
  }
  const reading = promisify(execFile)(peers.reader, ['sh', '-c', command]);
  release();
  return JSON.parse((await reading).stdout) as BareRead;
}

export interface RunningPeer {
  readonly port: number;
  readonly pid: number;
  readonly cpu: () => number;
  close(): Promise<void>;
}

export async function startTtyd(path: string, command: string): Promise<RunningPeer> {
  const port = await freePort();
  return await running(
    spawn(path, ['-W', '-i', '127.0.0.1', '-p', String(port), 'sh', '-c', command], { stdio: 'ignore' }),
    port,
  );
}

export async function startTtyShare(path: string, command: string, scratch: string): Promise<RunningPeer> {
  const port = await freePort();
  // It takes the path of a program and no arguments for it.
  const script = join(scratch, `tty-share-${port}.sh`);
  writeFileSync(script, `#!/bin/sh\n${command}\n`);
  chmodSync(script, 0o700);
  const args = ['-headless', '-listen', `127.0.0.1:${port}`, '-command', script];
  return await running(spawn(path, args, { stdio: 'ignore' }), port);
}

async function running(child: ChildProcess, port: number): Promise<RunningPeer> {
  const pid = child.pid ?? -1;
  await until('the peer listens', () => answers(port), 10_000);
  return { port, pid, cpu: () => cpuMs([pid]), close: () => end(child, 'SIGKILL') };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
