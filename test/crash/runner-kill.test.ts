import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionInfo } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { familyOf } from '../../packages/server/src/process/session-processes.ts';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { floodDigest } from './flood.mjs';
import {
  eagerClient,
  isRunning,
  logDigest,
  MIB,
  random,
  runnerPidOf,
  runnersOf,
  startFlood,
  Watcher,
} from './flooding.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});

/** A child in a session of its own that hears neither SIGHUP nor SIGTERM: only its mark tells whose it is. */
const STUBBORN = `trap '' HUP TERM; setsid sleep 1007 & trap - HUP TERM`;
const NOBODY = { pid: -1, startTime: '' };
const families = (id: string) => familyOf(NOBODY, id).length;
const infoOf = (id: string): Promise<SessionInfo> => gateway.client.sessions.get(id);

describe('seen-means-kept: a runner is killed with SIGKILL in a flood', () => {
  it.each(some(['pty', 'pipe'] as const, 1))(
    'on a %s: its session is lost within 2 s, its children are gone, its log is whole, its viewers are told',
    async (mode) => {
      const flooding = await startFlood(gateway, { label: 'doomed', mode, bytes: 1e12, rate: 30, first: STUBBORN });
      const { id } = flooding;
      const watcher = new Watcher(gateway.client, id);
      await watcher.reached((count({ quick: 1, all: 5 }) + random(count({ quick: 5, all: 20 }))) * MIB);
      expect(families(id)).toBe(2);
      const info = await infoOf(id);
      process.kill(runnerPidOf(info), 'SIGKILL');
      const killed = performance.now();
      const sinceKill = () => performance.now() - killed;
      const creating = gateway.client.sessions.create({ command: 'echo on', mode });
      // Beside the new session, whose start takes its own time.
      const losing = until('it is lost', async () => (await infoOf(id)).state === 'lost').then(sinceKill);
      const [next, created, lost] = await Promise.all([creating, creating.then(sinceKill), losing]);
      console.log(`${mode}: new session after ${created.toFixed(0)} ms, lost after ${lost.toFixed(0)} ms`);
      expect(lost).toBeLessThan(2000);
      expect((await new Watcher(gateway.client, next.id).ended).exitCode).toBe(0);
      const last = await watcher.ended;
      expect(families(id)).toBe(0);
      expect(last).toMatchObject({ state: 'lost', running: false, exitCode: null, signal: null, exitedAt: null });
      expect(await infoOf(id)).toMatchObject({ state: 'lost', running: false, outputOffset: watcher.offset });
      expect(watcher.types()).toEqual(['attached', 'closed', 'end']);
      expect(watcher.others.find(({ type }) => type === 'closed')).toMatchObject({ data: { reason: 'lost' } });
      const kinds = mode === 'pty' ? (['tty'] as const) : (['stdout', 'stderr'] as const);
      for (const kind of kinds) {
        const seen = watcher.digest(kind);
        expect(await logDigest(gateway, id, kind === 'tty' ? undefined : kind)).toEqual(seen);
        expect(seen.sha256).toBe(floodDigest(kind === 'stderr' ? 'doomed-err' : 'doomed', seen.bytes));
      }
    },
  );
});

describe('outlives-us: a runner is killed', () => {
  it('under the start of a session: another runner starts it, and the gateway goes on', async () => {
    for (let i = 0; i < count({ quick: 1, all: 6 }); i++) {
      const doomed = await gateway.client.sessions.create({ command: 'sleep 1006' });
      const runner = runnerPidOf(await infoOf(doomed.id));
      const starts = [gateway.client.sessions.create({ command: 'echo one', mode: 'pipe' })];
      process.kill(runner, 'SIGKILL');
      starts.push(gateway.client.sessions.create({ command: 'echo two' }));
      for (const start of starts) {
        const { id } = await start;
        const { state, exitCode } = await new Watcher(gateway.client, id).ended;
        // The first may have begun in time to be lost with its runner; what was started since is not.
        if (start === starts[1]) expect({ state, exitCode }).toEqual({ state: 'closed', exitCode: 0 });
        else expect(['closed', 'lost']).toContain(state);
      }
    }
  });
});

describe('outlives-us: a runner is stopped', () => {
  it('its session is still told of, and goes on when the runner does', async () => {
    const { id } = await gateway.client.sessions.create({ command: 'echo here; exec cat' });
    const watcher = new Watcher(gateway.client, id);
    await watcher.reached(1);
    const runner = runnerPidOf(await infoOf(id));
    process.kill(runner, 'SIGSTOP');
    const asked = performance.now();
    expect(await infoOf(id)).toMatchObject({ state: 'running', running: true, outputOffset: watcher.offset });
    expect(performance.now() - asked).toBeLessThan(5000);
    process.kill(runner, 'SIGCONT');
    const before = watcher.offset;
    await gateway.client.sessions.get(id);
    await gateway.fetch(`/v1/sessions/${id}/input`, { method: 'POST', body: 'on\n' });
    await watcher.reached(before + 1);
  });
});

describe('honest-ends: a session is deleted while its runner dies', () => {
  it('and is gone, with its children', async () => {
    for (let i = 0; i < count({ quick: 2, all: 6 }); i++) {
      const mode = i % 2 === 0 ? 'pty' : 'pipe';
      const { id } = await gateway.client.sessions.create({ command: `${STUBBORN}; exec sleep 1004`, mode });
      await until('both run', () => families(id) === 2);
      process.kill(runnerPidOf(await infoOf(id)), 'SIGKILL');
      if (i > 1) await new Promise((resolve) => setTimeout(resolve, random(400)));
      await gateway.client.sessions.delete(id);
      expect(families(id)).toBe(0);
      await expect(infoOf(id)).rejects.toMatchObject({ code: 'session_gone' });
    }
  });
});

describe('honest-ends: a runner is killed when the exit is recorded, before anyone is told', () => {
  const start = async (mode: 'pty' | 'pipe', n: number, exitCode: number) => {
    const trigger = join(gateway.dir, `go-${n}`);
    const { id } = await gateway.client.sessions.create({
      command: `echo up; until [ -e ${trigger} ]; do sleep 0.01; done; exit ${exitCode}`,
      mode,
    });
    const runner = runnerPidOf(await infoOf(id));
    const record = join(gateway.dir, 'sessions', id, 'exit.json');
    /** Kills the runner in the very turn in which the record is there. */
    const killAtRecord = () => {
      writeFileSync(trigger, '');
      const deadline = performance.now() + 10_000;
      while (!existsSync(record)) if (performance.now() > deadline) throw new Error('It did not exit.');
      process.kill(runner, 'SIGKILL');
    };
    return { id, killAtRecord };
  };

  it('while a gateway listens: the exit code is known all the same', async () => {
    for (let i = 0; i < count({ quick: 2, all: 4 }); i++) {
      const { id, killAtRecord } = await start(i % 2 === 0 ? 'pty' : 'pipe', i, 40 + i);
      const watcher = new Watcher(gateway.client, id);
      await watcher.reached(1);
      killAtRecord();
      expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 40 + i, signal: null });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
    }
  });

  it('while there is no gateway: the exit code is known after the restart', async () => {
    for (let i = 0; i < count({ quick: 1, all: 4 }); i++) {
      const { id, killAtRecord } = await start(i % 2 === 0 ? 'pty' : 'pipe', 10 + i, 50 + i);
      await gateway.kill();
      killAtRecord();
      await gateway.restart();
      expect(await infoOf(id)).toMatchObject({ state: 'closed', exitCode: 50 + i, signal: null });
      const watcher = new Watcher(gateway.client, id);
      expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 50 + i });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
    }
  });
});

const ROUNDS = 20;

inAll(
  `honest-ends: gateway and runners are killed at random, ${ROUNDS} times, and no session is listed as running when it is dead or as dead when it runs`,
  async () => {
    const gateway = await openGatewayProcess();
    const known = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < 3; i++) {
        const command = ['sleep 1008', 'while :; do echo x; done', `sleep 0.${random(3)}; exit 9`][i] ?? '';
        const { id, pid } = await gateway.client.sessions.create({ command, mode: i === 1 ? 'pipe' : 'pty' });
        known.set(id, pid ?? -1);
      }
      const killRunner = () => {
        const runners = runnersOf(gateway).filter(({ pid }) => isRunning(pid));
        const { pid } = runners[random(runners.length)] ?? { pid: -1 };
        if (pid > 0) process.kill(pid, 'SIGKILL');
      };
      const isBoth = random(3) > 0;
      const isRunnerFirst = random(2) === 0;
      if (isRunnerFirst) killRunner();
      await new Promise((resolve) => setTimeout(resolve, random(30)));
      if (isBoth || !isRunnerFirst) {
        await gateway.kill();
        if (isBoth && !isRunnerFirst) killRunner();
        await gateway.restart();
      }
      const differences = async () => {
        const sessions = await gateway.client.sessions.all();
        expect(new Set(sessions.map(({ id }) => id))).toEqual(new Set(known.keys()));
        return sessions.filter(({ id, running }) => running !== isRunning(known.get(id) ?? -1));
      };
      await until('the list says what is', async () => (await differences()).length === 0, 2500);
      for (const info of await gateway.client.sessions.all()) {
        if (info.running) continue;
        expect(families(info.id)).toBe(0);
        expect(['exited', 'closed', 'lost']).toContain(info.state);
        // A code is known or it is not: none is made up for a program whose end nobody saw.
        expect(info.state === 'lost').toBe(info.exitCode === null && info.signal === null);
        await gateway.client.sessions.delete(info.id);
        known.delete(info.id);
      }
    }
  },
  60_000,
);

describe('outlives-us: a new gateway', () => {
  it('takes over when the old one died while a runner started', async () => {
    for (let i = 0; i < count({ quick: 1, all: 3 }); i++) {
      // The ninth program needs a second runner, and its start makes a spare.
      const starts = Array.from({ length: 9 }, () =>
        gateway.client.sessions.create({ command: 'sleep 1009' }).catch(() => undefined),
      );
      await new Promise((resolve) => setTimeout(resolve, random(150)));
      await gateway.kill();
      await gateway.restart();
      await Promise.all(starts);
      let sessions: readonly SessionInfo[] = [];
      // A session that starts has no process yet.
      await until('no start is under way', async () => {
        sessions = await gateway.client.sessions.all();
        return sessions.every(({ state }) => state !== 'starting');
      });
      for (const { id, running } of sessions) expect(families(id) > 0).toBe(running);
      const client = eagerClient(gateway);
      const { id } = await client.sessions.create({ command: 'echo here' });
      expect((await new Watcher(client, id).ended).exitCode).toBe(0);
      client.close();
      await Promise.all(
        [...sessions.map((session) => session.id), id].map((each) => gateway.client.sessions.delete(each)),
      );
    }
  }, 60_000);
});
