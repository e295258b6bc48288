import { afterEach, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { killWhileEmitting, storm } from '../traffic/storm.fixture.ts';

let gateway: GatewayProcess;
afterEach(() => gateway.close());

const many = { newForeignPerSecond: 10_000, maxForeignSessions: 100_000 };

describe('exactly once: output that comes from elsewhere', () => {
  it('T32: 2 million events of 200 producers, with duplicates and the wrong order', async () => {
    gateway = await openGatewayProcess({ ...many, emitRates: { eventsPerSecond: 1_000_000, bytesPerSecond: 1e9 } });
    const faults = { duplicates: 0.2, reordered: 0.05 };
    const report = await storm(gateway, { producers: 200, events: 10_000, batch: 250, faults });
    console.log(report);
    expect(report.stored).toBe(2_000_000);
  });

  it('T33: the gateway is killed with SIGKILL at 100 random moments while 8 producers emit and viewers watch', async () => {
    gateway = await openGatewayProcess(many);
    const report = await killWhileEmitting(gateway, { kills: 100, producers: 8, lifeMs: 200 });
    console.log(report);
    expect(report.kills).toBe(100);
  });
});
