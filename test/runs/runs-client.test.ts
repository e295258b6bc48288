import type { RunStreamEvent } from '@binnacle/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eagerClient } from '../crash/flooding.fixture.ts';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { Gate, Shell } from './runs.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterAll(() => gateway.close());

const bytesOf = (events: readonly RunStreamEvent[]): string =>
  Buffer.concat(events.map((event) => (event.type === 'output' ? event.bytes : new Uint8Array()))).toString();

describe('the client', () => {
  it('exact-resume: goes on by itself when the gateway is killed again and again in the middle of a run', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'killed');
    const client = eagerClient(gateway);
    const run = client
      .session(shell.id)
      .run(
        `n=0; until [ -e "$G" ]; do echo $((n += 1)); sleep 0.002; done; echo last $n; (exit 6)`.replace(
          '$G',
          gate.path,
        ),
      );
    const events: RunStreamEvent[] = [];
    const { ended } = run;
    const reading = (async () => {
      for await (const event of run) events.push(event);
    })();
    for (let kills = 0; kills < count({ quick: 2, all: 4 }); kills++) {
      const seen = events.length;
      await until('more has come', () => events.length > seen + 20);
      await gateway.kill();
      await gateway.restart();
    }
    gate.open();
    await reading;
    expect(await ended).toMatchObject({ state: 'ended', outcome: 'exited', exitCode: 6 });
    const lines = bytesOf(events).split('\n');
    const last = lines.length - 2;
    expect(lines).toEqual([...Array.from({ length: last }, (_, n) => String(n + 1)), `last ${last}`, '']);
    expect(events.map(({ type }) => type).filter((type) => type !== 'output' && type !== 'run')).toEqual(['end']);
    client.close();
  });

  it('starts in the background, and another client looks later, from anywhere in it', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'background');
    const { id } = gateway.client
      .session(shell.id)
      .run(`(sleep 1019 &); echo early; ${gate.wait}; echo late`, { id: 'job' });
    await until('it has written', async () => (await shell.info()).outputOffset === 6);
    const other = gateway.connect();
    expect(await other.session(shell.id).runs()).toMatchObject([{ id: 'job', state: 'running' }]);
    // What the shell has forked need not be the program yet.
    await until('its job is listed', async () =>
      (await other.session(shell.id).processes()).some(({ command }) => command === 'sleep 1019'),
    );
    const from2 = (async () => {
      const events: RunStreamEvent[] = [];
      for await (const event of other.runs.resume(shell.id, id, { since: 2 })) events.push(event);
      return bytesOf(events);
    })();
    const waited = other.runs.resume(shell.id, id).ended;
    gate.open();
    expect(await from2).toBe('rly\nlate\n');
    expect((await waited).exitCode).toBe(0);
  });

  it('cancels one run and not the session, with the lease that it holds', async () => {
    const shell = await Shell.open(gateway);
    const session = gateway.client.session(shell.id);
    await session.lease.acquire({ holder: 'a test' });
    const run = session.run('sleep 1014');
    expect((await run.accepted).by).toBe('a test');
    await until('it runs', async () => (await shell.info()).runs?.current === run.id);
    expect(
      await gateway
        .connect()
        .session(shell.id)
        .run('ls')
        .accepted.catch((error) => error.code),
    ).toBe('lease_held');
    expect(await run.cancel()).toMatchObject({ outcome: 'cancelled' });
    expect((await session.run('true').ended).exitCode).toBe(0);
    await session.lease.release();
  });

  it('leaves a loop early, which cancels the run where that was asked for', async () => {
    const shell = await Shell.open(gateway);
    const run = gateway.client.session(shell.id).run('echo 1; sleep 1015', { onDisconnect: 'cancel' });
    for await (const { type } of run) if (type === 'output') break;
    expect(await run.ended).toMatchObject({ outcome: 'cancelled' });
  });
});
