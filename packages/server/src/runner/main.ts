// The runner process. A gateway starts it, and it outlives the gateway. It loads everything at start: the files may be
// replaced later.

import { closeSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { bootId, readProcess } from '../process/session-processes.ts';
import { RUNNER_TITLE } from './lost-session.ts';
import { Runner } from './runner.ts';
import { RUNNER_PROTOCOL } from './wire.ts';

/** Facts by which a gateway finds a runner again: `runner.json` in the runner's directory. */
export interface RunnerFile {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly socket: string;
  readonly protocol: number;
}

/** Options that the gateway writes for the runner: `start.json`, 0600. */
export interface RunnerStart {
  readonly token: string;
  readonly socket: string;
  /** The data directory, the runner's working directory: relative paths below it stay valid after a move. */
  readonly root: string;
  readonly syncMs: number;
  /** Time in ms without a gateway after which all programs are ended; 0: never. */
  readonly orphanMs: number;
}

/** Descriptor to which the runner writes when it listens; the gateway waits for that. */
export const READY_FD = 3;

/** Closes descriptors without CLOEXEC, which the parent of the gateway left open. They must not reach programs. */
function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd <= READY_FD) continue;
    try {
      const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';
      const O_CLOEXEC = 0o2000000;
      if ((Number.parseInt(flags, 8) & O_CLOEXEC) === 0) closeSync(fd);
    } catch {
      // The descriptor of this directory listing: closed by now.
    }
  }
}

async function main(dir: string): Promise<void> {
  closeInherited();
  process.title = RUNNER_TITLE;
  // The terminal of the gateway's parent may hang up. That must not affect programs.
  process.on('SIGHUP', () => undefined);
  process.on('SIGINT', () => undefined);
  // On SIGUSR1 Node opens its inspector to every program of this user, unless there is a listener.
  process.on('SIGUSR1', () => undefined);
  const start = JSON.parse(readFileSync(join(dir, 'start.json'), 'utf8')) as RunnerStart;
  process.chdir(start.root);
  const below = relative(start.root, dir);
  const runner = new Runner({ ...start, root: '.', dir: below, exit: () => process.exit(0) });
  // A fault in one program's code must not end the others: it is logged, and they go on.
  process.on('uncaughtException', (error) => console.error(new Date().toISOString(), error));
  process.on('SIGTERM', () => void runner.endAll().finally(() => process.exit(0)));
  // The last runner of a data directory removes the directory of the sockets.
  process.on('exit', () => {
    rmSync(start.socket, { force: true });
    try {
      rmdirSync(dirname(start.socket));
    } catch {
      // Other runners still use it, or the gateway has removed it.
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
