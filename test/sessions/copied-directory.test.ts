import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { isRunning } from '../crash/flooding.fixture.ts';
import { Commands } from '../support/commands.ts';
import { inAll, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

/** Counts up, a line of 512 bytes each 20 ms; `stop` beside it lets it end. Small segments: a new file for each eight. */
const COUNTING = `n=0; until [ -e "$STOP" ]; do n=$((n+1)); printf "%0511d\\n" $n; sleep 0.02; done; exit 7`;
const SEGMENTS = { segmentBytes: 4096 };

let root: string;
beforeEach(() => {
  root = tempDir('copied');
});

/** The gateway of a copy, or of an original that is not killed. */
const open = (dataDir?: string): Promise<Gateway> =>
  openGateway({ ...SEGMENTS, ...(dataDir === undefined ? {} : { dataDir }) });

const startCounting = (gateway: GatewayAccess, stop: string) =>
  gateway.create({ command: COUNTING, mode: 'pipe', env: { STOP: join(root, stop) } });
const stopCounting = (stop: string): void => void execFileSync('touch', [join(root, stop)]);

/** Byte for byte what the program wrote, in one life of the log. */
async function expectWhole(gateway: GatewayAccess, id: string): Promise<void> {
  const info = await gateway.closed(id);
  expect(info).toMatchObject({ state: 'closed', exitCode: 7, signal: null });
  const text = await gateway.output(id);
  const last = Number(text.trimEnd().split('\n').at(-1));
  expect(last).toBeGreaterThan(0);
  expect(text).toBe(Array.from({ length: last }, (_, i) => `${String(i + 1).padStart(511, '0')}\n`).join(''));
}

function copyOf(gateway: GatewayAccess): string {
  const dir = join(root, 'copy');
  const { stderr } = spawnSync('cp', ['-a', gateway.dir, dir], { encoding: 'utf8' });
  // Journals of SQLite come and go beside cp, as all files of the index do, which is made anew; all else has to be there.
  const missed = stderr.split('\n').filter((line) => line !== '' && !/-journal'|\/index\.sqlite/.test(line));
  expect(missed).toEqual([]);
  return dir;
}

describe('outlives-us: a copy of a data directory in use', () => {
  it('leaves the programs of the original alone, and says that they go on there', async () => {
    const original = await open();
    const { id, pid, epoch } = await startCounting(original, 'stop');
    await original.seen(id, '00010\n');
    const copy = await openGatewayProcess({ ...SEGMENTS, dataDir: copyOf(original) });
    const there = await copy.info(id);
    expect(there).toMatchObject({ state: 'lost', running: false, lostReason: 'copied', exitCode: null });
    // The two logs part here: a position of the one means nothing in the other.
    expect(there.epoch).not.toBe(epoch);
    expect(await copy.output(id)).toContain('00010\n');
    const entries = (await copy.ask(`/v1/sessions/${id}/export?format=jsonl`)).text;
    expect(entries).toContain('"reason":"copied"');
    expect(copy.stderr).toContain('keep running in the data directory that this one was copied from');
    expect((await copy.ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204);

    expect(isRunning(pid ?? -1)).toBe(true);
    const before = await original.info(id);
    expect(before).toMatchObject({ state: 'running', pid, epoch });
    await until('it writes on', async () => (await original.info(id)).outputOffset > before.outputOffset + 512);
    expect((await original.input(id, 'x')).status).toBe(200);
    stopCounting('stop');
    await expectWhole(original, id);
  });

  it('is not where commands that name the copy end programs, while no gateway serves it', async () => {
    const original = await open();
    const { id, pid } = await startCounting(original, 'stop');
    const env = { BINNACLE_URL: '', BINNACLE_TOKEN: '' };
    const commands = new Commands(BINARY, env);
    const kill = (dir: string) => commands.run(['kill', id, '--data', dir]);
    const there = await kill(copyOf(original));
    expect(there.err).toContain('No gateway runs in');
    expect(there.code).toBe(3);
    expect(isRunning(pid ?? -1)).toBe(true);
    expect((await kill(original.dir)).code).toBe(0);
  });

  inAll.each([
    ['does not answer', 2],
    ['is one of before, which says nothing of its directory', 1],
  ])('is told apart also where a runner %s', async (_, protocol) => {
    const original = await open();
    const { id, pid } = await startCounting(original, 'stop');
    const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as { pid: number };
    const folder = join(original.dir, 'runners');
    const hosting = readdirSync(folder).map((name) => join(folder, name, 'runner.json'));
    const runners = hosting.filter((path) => existsSync(path)).map(read);
    const copied = copyOf(original);
    const toldBy = readdirSync(join(copied, 'runners')).map((name) => join(copied, 'runners', name, 'runner.json'));
    for (const path of toldBy.filter((path) => existsSync(path)))
      writeFileSync(path, JSON.stringify({ ...read(path), protocol }));
    for (const runner of runners) process.kill(runner.pid, 'SIGSTOP');
    try {
      const copy = await open(copied);
      expect(await copy.info(id)).toMatchObject({ state: 'lost', lostReason: 'copied' });
    } finally {
      for (const runner of runners) process.kill(runner.pid, 'SIGCONT');
    }
    expect(isRunning(pid ?? -1)).toBe(true);
  });

  it('does not end what has a living runner, also where nothing in the copy tells of that runner', async () => {
    const original = await open();
    const { id, pid } = await startCounting(original, 'stop');
    const copied = copyOf(original);
    rmSync(join(copied, 'runners'), { recursive: true });
    const copy = await open(copied);
    expect(await copy.info(id)).toMatchObject({ state: 'lost', lostReason: 'runner_died' });
    expect(isRunning(pid ?? -1)).toBe(true);
    expect(await original.info(id)).toMatchObject({ state: 'running', pid });
  });

  it('does not end what has outlived its program there, when nothing tells of a runner any more', async () => {
    const original = await open();
    const told = join(root, 'pid');
    const command = `setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $! > "$TOLD"; until [ -e "$STOP" ]; do sleep 0.02; done`;
    const env = { TOLD: told, STOP: join(root, 'stop') };
    const { id } = await original.create({ command, mode: 'pipe', env });
    await until('it has begun', () => existsSync(told) && readFileSync(told, 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(told, 'utf8'));
    try {
      const copied = copyOf(original);
      // The same state as after the end of the runner: the copy has no runner folder.
      rmSync(join(copied, 'runners'), { recursive: true });
      stopCounting('stop');
      await original.closed(id);
      expect(isRunning(pid)).toBe(true);
      const copy = await open(copied);
      expect(await copy.info(id)).toMatchObject({ state: 'lost' });
      expect(isRunning(pid)).toBe(true);
    } finally {
      process.kill(pid);
    }
  });

  inAll('in the place of the original, as a backup is restored, has none of its programs', async () => {
    const original = await openGatewayProcess(SEGMENTS);
    const { id, pid } = await startCounting(original, 'stop');
    const copied = copyOf(original);
    await original.kill();
    const aside = join(root, 'aside');
    renameSync(original.dir, aside);
    renameSync(copied, original.dir);
    await original.start();
    expect(await original.info(id)).toMatchObject({ state: 'lost', lostReason: 'copied' });
    expect(isRunning(pid ?? -1)).toBe(true);
    // The directory that was set aside is still the original.
    const moved = await open(aside);
    expect(await moved.info(id)).toMatchObject({ state: 'running', pid });
    stopCounting('stop');
    await expectWhole(moved, id);
  });
});

describe('outlives-us: a data directory that was moved', () => {
  it('keeps its programs: they write on, take input and runs, and their ends are recorded in the new place', async () => {
    // Killed in `npm run test:all`: programs go on behind both ends.
    const original = isAll ? await openGatewayProcess(SEGMENTS) : await open();
    const counting = await startCounting(original, 'stop');
    const terminal = await original.create({ argv: ['/bin/cat'] });
    const shell = await original.create({ runs: true, mode: 'pipe' });
    const run = (gateway: GatewayAccess, command: string) =>
      gateway.ask(`/v1/sessions/${shell.id}/runs?wait=10000`, { body: { command } });
    expect((await run(original, 'cd /usr; kept=here')).json).toMatchObject({ exitCode: 0 });
    await original.seen(counting.id, '00010\n');
    await (original instanceof GatewayProcess ? original.kill() : original.stop());
    const place = join(root, 'elsewhere', 'data');
    mkdirSync(join(root, 'elsewhere'));
    renameSync(original.dir, place);
    const moved = await open(place);
    for (const { id, pid } of [counting, terminal, shell]) {
      expect(await moved.info(id)).toMatchObject({ state: 'running', pid });
    }
    const before = (await moved.info(counting.id)).outputOffset;
    await until('it writes on', async () => (await moved.info(counting.id)).outputOffset > before + 8192);
    await moved.input(terminal.id, 'still here\n');
    await moved.seen(terminal.id, 'still here\r\nstill here');
    const ran = await run(moved, 'echo "$PWD $kept"; exit 3');
    expect(ran.json).toMatchObject({ exitCode: 3 });
    expect(await moved.output(shell.id)).toContain('/usr here');
    expect((await run(moved, 'echo "$kept"')).json).toMatchObject({ exitCode: 0 });
    stopCounting('stop');
    await expectWhole(moved, counting.id);
    expect(statSync(join(place, 'sessions', counting.id, 'exit.json')).size).toBeGreaterThan(0);
    const next = await moved.create({ command: 'echo next', mode: 'pipe' });
    expect(await moved.closed(next.id)).toMatchObject({ exitCode: 0 });
    expect(await moved.output(next.id)).toBe('next\n');
  });
});
