import { describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { measuresAlone } from '../support/measuring.ts';
import { killWhileEmitting, storm } from './storm.fixture.ts';

measuresAlone();

const SLOW_MACHINE_MS = 120_000;
const PRODUCERS = count({ quick: 15, all: 200 });
const EVENTS = count({ quick: 100, all: 250 });
const KILLS = count({ quick: 1, all: 15 });

describe('exactly once', () => {
  it(
    `T32: ${PRODUCERS} producers at once, with duplicates and the wrong order: each event is kept once, in order, byte by byte`,
    async () => {
      const gateway = await openGatewayProcess({
        newForeignPerSecond: 10_000,
        emitRates: { eventsPerSecond: 1_000_000, bytesPerSecond: 1e9 },
      });
      const report = await storm(gateway, {
        producers: PRODUCERS,
        events: EVENTS,
        batch: count({ quick: 10, all: 100 }),
        faults: { duplicates: 0.2, reordered: 0.05 },
      });
      console.log(report);
      expect(report.duplicates).toBeGreaterThan(report.stored * 0.05);
      expect(report.gaps).toBeGreaterThan(report.stored * 0.03);
    },
    SLOW_MACHINE_MS,
  );

  inAll(
    'T32: those that are told to wait lose nothing by it',
    async () => {
      const gateway = await openGatewayProcess({ emitRates: { eventsPerSecond: count({ quick: 400, all: 1000 }) } });
      const faults = { duplicates: 0.1, reordered: 0.05 };
      const report = await storm(gateway, {
        producers: count({ quick: 10, all: 20 }),
        events: EVENTS,
        batch: 20,
        faults,
      });
      console.log(report);
      expect(report.tooFast).toBeGreaterThan(0);
    },
    SLOW_MACHINE_MS,
  );

  it(
    `T33: the gateway killed ${KILLS === 1 ? 'once' : `${KILLS} times`} between writing and answering: nothing is lost and nothing twice`,
    async () => {
      const gateway = await openGatewayProcess({ newForeignPerSecond: 10_000, maxForeignSessions: 10_000 });
      const report = await killWhileEmitting(gateway, {
        kills: KILLS,
        producers: count({ quick: 3, all: 6 }),
        lifeMs: 100,
      });
      console.log(report);
      expect(report.lostAnswers).toBeGreaterThan(0);
      expect(report.stored).toBeLessThanOrEqual(report.events);
    },
    SLOW_MACHINE_MS,
  );
});
