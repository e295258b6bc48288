// The runner process. Started by a gateway, outlives it. Everything is loaded at start: the files may be replaced later.

import { closeSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { bootId, readProcess } from '../process/session-processes.ts';
import { RUNNER_TITLE } from './lost-session.ts';
import { Runner } from './runner.ts';
import { RUNNER_PROTOCOL } from './wire.ts';

/** What a gateway needs to find a runner again: `runner.json` in the runner's directory. */
export interface RunnerFile {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly socket: string;
  readonly protocol: number;
}

/** What the gateway writes for it: `start.json`, 0600. */
export interface RunnerStart {
  readonly token: string;
  readonly socket: string;
  /** The data directory, in which the runner lives: paths below it are good also when it is moved. */
  readonly root: string;
  readonly syncMs: number;
  /** After so many ms without a gateway all programs are ended; 0: never. */
  readonly orphanMs: number;
}

/** Written to by the runner when it listens; the gateway waits for it. */
export const READY_FD = 3;

/** A descriptor without CLOEXEC was left open by whoever started the gateway. It must not reach our programs. */
function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd <= READY_FD) continue;
    try {
      const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';
      const O_CLOEXEC = 0o2000000;
      if ((Number.parseInt(flags, 8) & O_CLOEXEC) === 0) closeSync(fd);
    } catch {
      // The descriptor that lists this directory: closed by now.
    }
  }
}

async function main(dir: string): Promise<void> {
  closeInherited();
  process.title = RUNNER_TITLE;
  // The terminal of whoever started the gateway may hang up; that is none of our programs' business.
  process.on('SIGHUP', () => undefined);
  process.on('SIGINT', () => undefined);
  // Node opens its inspector at it, to every program of this user; with a listener it does not.
  process.on('SIGUSR1', () => undefined);
  const start = JSON.parse(readFileSync(join(dir, 'start.json'), 'utf8')) as RunnerStart;
  process.chdir(start.root);
  const below = relative(start.root, dir);
  const runner = new Runner({ ...start, root: '.', dir: below });
  // One program's fault must not end the others: it is written down, and they go on.
  process.on('uncaughtException', (error) => console.error(new Date().toISOString(), error));
  process.on('SIGTERM', () => void runner.endAll().finally(() => process.exit(0)));
  // The last of a data directory's runners takes their directory along.
  process.on('exit', () => {
    rmSync(start.socket, { force: true });
    try {
      rmdirSync(dirname(start.socket));
    } catch {
      // Others are in it still, or the gateway has removed it.
    }
  });
  await runner.listen(start.socket);
  const file: RunnerFile = {
    pid: process.pid,
    startTime: readProcess(process.pid)?.startTime ?? '',
    bootId: bootId(),
    socket: start.socket,
    protocol: RUNNER_PROTOCOL,
  };
  writeFileSync(join(below, 'runner.json.new'), JSON.stringify(file), { mode: 0o600 });
  renameSync(join(below, 'runner.json.new'), join(below, 'runner.json'));
  writeSync(READY_FD, 'ready\n');
  closeSync(READY_FD);
}

const [, , dir] = process.argv;
if (dir === undefined) {
  console.error('The runner is started by the gateway, not by hand.');
  process.exitCode = 2;
} else await main(dir);
