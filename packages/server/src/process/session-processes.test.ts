import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { descendsFrom, readProcess } from './session-processes.ts';

const pids: number[] = [];
afterEach(() => {
  for (const pid of pids.splice(0)) process.kill(pid, 'SIGKILL');
});

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
