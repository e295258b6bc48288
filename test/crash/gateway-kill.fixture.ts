// Kills a gateway again and again while programs flood and viewers watch. Knows no number of its own.

import { expect } from 'vitest';
import type { GatewayProcess } from '../support/gateway-process.ts';
import {
  eagerClient,
  type Flooding,
  MIB,
  percentile,
  random,
  startFlood,
  threeWays,
  Watcher,
} from './flooding.fixture.ts';

export interface KillPlan {
  readonly kills: number;
  readonly sessions: readonly { readonly mode: 'pty' | 'pipe'; readonly label: string }[];
  /** Of each session, at least. It floods until the kills are done. */
  readonly bytes: number;
  /** Output that a viewer sees between two kills, at most. */
  readonly between: number;
  /** MiB a second at most, of each session. Default: as fast as it goes. */
  readonly rate?: number;
}

export interface KillReport {
  readonly kills: number;
  readonly mebibytes: number;
  /** Ms from the ready line of the new gateway to the first byte that a viewer gets from it. */
  readonly reattach: { readonly p50: number; readonly p99: number; readonly max: number };
}

export async function killInFlood(gateway: GatewayProcess, plan: KillPlan): Promise<KillReport> {
  const { rate } = plan;
  const floods: Flooding[] = [];
  for (const { mode, label } of plan.sessions) {
    const spec = { label, mode, bytes: plan.bytes, endless: true };
    floods.push(await startFlood(gateway, rate === undefined ? spec : { ...spec, rate }));
  }
  const client = eagerClient(gateway);
  try {
    const watchers = floods.map(({ id }) => new Watcher(client, id));
    const reattach: number[] = [];
    for (let kill = 0; kill < plan.kills; kill++) {
      await Promise.all(watchers.map((watcher) => watcher.reached(watcher.offset + 1)));
      const chosen = watchers[random(watchers.length)];
      await chosen?.reached(chosen.offset + random(plan.between));
      const opened = nextOpen(client);
      await gateway.kill();
      const seen = watchers.map((watcher) => watcher.offset);
      await gateway.restart();
      const ready = performance.now();
      await opened;
      const times = await Promise.all(watchers.map((watcher) => watcher.nextOutput()));
      // A viewer may be quicker than the line that says that it can be.
      reattach.push(...times.map((time) => Math.max(0, time - ready)));
      const infos = await Promise.all(floods.map(({ id }) => gateway.client.sessions.get(id)));
      for (const [i, info] of infos.entries()) {
        expect(info.state).toBe('running');
        expect(info.outputOffset).toBeGreaterThan(seen[i] ?? Number.POSITIVE_INFINITY);
      }
    }
    for (const flood of floods) flood.stop();
    let bytes = 0;
    for (const [i, flood] of floods.entries()) {
      const watcher = watchers[i];
      if (watcher === undefined) continue;
      const info = await watcher.ended;
      expect(info).toMatchObject({ state: 'closed', exitCode: 0, signal: null, outputOffset: watcher.offset });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
      expect(watcher.offset).toBeGreaterThanOrEqual(plan.bytes);
      for (const { viewer, log, generator } of await threeWays(gateway, flood, watcher)) {
        expect(log).toEqual(generator);
        expect(viewer).toEqual(generator);
      }
      bytes += watcher.offset;
    }
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => Math.round(percentile(reattach, share)));
    return {
      kills: plan.kills,
      mebibytes: Math.round(bytes / MIB),
      reattach: { p50: p50 ?? -1, p99: p99 ?? -1, max: max ?? -1 },
    };
  } finally {
    client.close();
  }
}

/** Resolves when a client that is connected now has lost its connection and has a new one. */
function nextOpen(client: ReturnType<typeof eagerClient>): Promise<void> {
  return new Promise((resolve) => {
    let wasLost = false;
    const off = client.on('state', ({ kind }) => {
      if (kind !== 'open') wasLost = true;
      else if (wasLost) {
        off();
        resolve();
      }
    });
  });
}
