// A program that counts while its page loses the gateway or the network, and the check that all of it is there.

import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { atEnd } from '../support/teardown.ts';
import { screenfuls } from './page.fixture.ts';
import { openWire, type Wire } from './wire.fixture.ts';

/** More than four screenfuls, and more than a second of output. */
export const LINES = count({ quick: 160, all: 400 });
/** Writes `n 1`, `n 2` … a line at a time. */
export const COUNTER = `for i in $(seq 1 ${LINES}); do echo "n $i"; sleep 0.005; done`;

/** A gateway that keeps 128 KiB of each session and is also reached through a wire. Both close at the end of the file. */
export async function openBehindWire(): Promise<{ gateway: GatewayProcess; wire: Wire }> {
  const wire = await openWire();
  atEnd(() => wire.close());
  const flags = ['--retain-bytes', '128KiB', '--host-name', new URL(wire.url).host];
  const gateway = await openGatewayProcess({ flags });
  wire.to(gateway.url);
  return { gateway, wire };
}

/** Expects every number in the scrollback, each right after the one before, and no other. */
export async function expectWhole(page: Page): Promise<void> {
  const seen = new Set<number>();
  for (const screen of await screenfuls(page)) {
    const numbers = screen.flatMap((line) => /^n (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    const first = numbers[0] ?? 0;
    expect(numbers).toEqual(numbers.map((_, at) => first + at));
    for (const number of numbers) seen.add(number);
  }
  expect([...seen]).toEqual(Array.from({ length: LINES }, (_, at) => at + 1));
}
