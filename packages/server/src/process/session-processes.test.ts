import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { descendsFrom, kill, readProcess, SESSION_MARK, scanFamily } from './session-processes.ts';
import { endFamily } from './termination.ts';

const NOBODY = { pid: -1, startTime: '' };
const pids: number[] = [];
const dir = mkdtempSync(join(tmpdir(), 'binnacle-processes-'));
afterEach(() => {
  for (const pid of pids.splice(0)) kill(pid, 'SIGKILL');
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Starts a process of two threads, with this title and a child. With `dies`, its first thread ends by exit(2). */
async function start(title: string, dies: boolean): Promise<{ parent: number; child: number }> {
  const script = `
import ctypes, platform, subprocess, threading, time
libc = ctypes.CDLL(None)
libc.prctl(15, b"${title}", 0, 0, 0)
print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
threading.Thread(target=time.sleep, args=(60,)).start()
${dies ? 'libc.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)' : 'time.sleep(60)'}`;
  const { pid = 0, stdout } = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  pids.push(pid);
  const [chunk] = await once(stdout, 'data');
  const child = Number(String(chunk));
  pids.push(child);
  return { parent: pid, child };
}

it('a process descends from a living one, and not from one that is ending while its other threads are there', async () => {
  const living = await start('living-parent', false);
  expect(descendsFrom(living.child, 'living-parent')).toBe(true);
  const dying = await start('dying-parent', true);
  await expect.poll(() => readProcess(dying.parent)?.isZombie).toBe(true);
  expect(readProcess(dying.child)?.parent).toBe(dying.parent);
  expect(descendsFrom(dying.child, 'dying-parent')).toBe(false);
});

it('a process is missed by no scan of its family while it becomes another program, and is ended with it', async () => {
  const script = join(dir, 'again.sh');
  writeFileSync(script, `exec bash ${script}\n`);
  const session = `again-${process.pid}`;
  const { pid = 0 } = spawn('bash', [script], {
    env: { PATH: process.env.PATH, [SESSION_MARK]: session },
    detached: true,
    stdio: 'ignore',
  });
  const bare = spawn('sleep', ['60'], { env: {}, stdio: 'ignore' });
  pids.push(pid, bare.pid ?? 0);
  const scans = Array.from({ length: count({ quick: 200, all: 2000 }) }, () => scanFamily(NOBODY, session));
  const missing = scans.filter(({ rows, isComplete }) => isComplete && rows.every((row) => row.pid !== pid));
  expect(missing).toEqual([]);
  // An empty environment is one all the same.
  expect(scans.filter(({ isComplete }) => isComplete).length).toBeGreaterThan(scans.length / 2);
  expect(await endFamily(NOBODY, session, { hupMs: 1000, termMs: 1000 })).toBe(0);
  expect(readProcess(pid)?.isZombie ?? true).toBe(true);
  expect(readProcess(bare.pid ?? 0)?.isZombie).toBe(false);
  // 2000 scans of all processes take 24 s on two busy cores.
}, 120_000);
