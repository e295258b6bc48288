import { afterEach, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { measuresAlone } from '../support/measuring.ts';
import { killWhileEmitting, storm } from './storm.fixture.ts';

measuresAlone();

let gateway: GatewayProcess;
afterEach(() => gateway.close());

const SLOW_MACHINE_MS = 120_000;

describe('exactly once', () => {
  it(
    'T32: 200 producers at once, with duplicates and the wrong order: each event is kept once, in order, byte by byte',
    async () => {
      gateway = await openGatewayProcess({
        newForeignPerSecond: 10_000,
        emitRates: { eventsPerSecond: 1_000_000, bytesPerSecond: 1e9 },
      });
      const report = await storm(gateway, {
        producers: 200,
        events: 250,
        batch: 100,
        faults: { duplicates: 0.2, reordered: 0.05 },
      });
      console.log(report);
      expect(report.duplicates).toBeGreaterThan(report.stored * 0.05);
      expect(report.gaps).toBeGreaterThan(report.stored * 0.03);
    },
    SLOW_MACHINE_MS,
  );

  it(
    'T32: those that are told to wait lose nothing by it',
    async () => {
      gateway = await openGatewayProcess({ emitRates: { eventsPerSecond: 1000 } });
      const faults = { duplicates: 0.1, reordered: 0.05 };
      const report = await storm(gateway, { producers: 20, events: 250, batch: 20, faults });
      console.log(report);
      expect(report.tooFast).toBeGreaterThan(0);
    },
    SLOW_MACHINE_MS,
  );

  it(
    'T33: the gateway killed 15 times between writing and answering: nothing is lost and nothing twice',
    async () => {
      gateway = await openGatewayProcess({ newForeignPerSecond: 10_000, maxForeignSessions: 10_000 });
      const report = await killWhileEmitting(gateway, { kills: 15, producers: 6, lifeMs: 100 });
      console.log(report);
      expect(report.lostAnswers).toBeGreaterThan(0);
      expect(report.stored).toBeLessThanOrEqual(report.events);
    },
    SLOW_MACHINE_MS,
  );
});
