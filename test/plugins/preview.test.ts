// Looking at a folder that was made to take long, at a real gateway: it ends with whoever asked, and with the gateway.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, pluginFolder } from './installed.fixture.ts';

/** A parser takes twice as long for each of these: forty are years. */
const SLOW = 'a?(b):c=>'.repeat(40);

let gateway: Gateway;
let slow: string;
let plain: string;

beforeEach(async () => {
  gateway = await openGateway({ logLevel: 'silent' });
  slow = pluginFolder({ id: 'slow', source: '', files: { 'slow.ts': SLOW } });
  plain = pluginFolder({ id: 'plain', source: '' });
});
afterEach(async () => {
  await gateway.close();
  rmSync(slow, { recursive: true });
  rmSync(plain, { recursive: true });
});

const left = (): string[] => {
  try {
    return readdirSync(join(gateway.dir, 'plugins'));
  } catch {
    return [];
  }
};

async function look(path: string, signal?: AbortSignal): Promise<string | number> {
  try {
    const answer = await gateway.fetch('/v1/plugins/preview', {
      method: 'POST',
      body: JSON.stringify({ path }),
      headers: { 'content-type': 'application/json' },
      ...(signal === undefined ? {} : { signal }),
    });
    const { error } = (await answer.json()) as { error?: { code: string } };
    return error?.code ?? answer.status;
  } catch {
    return 'no answer';
  }
}

inAll('ends when whoever asked hangs up; more than eight at once are refused, and nothing is left', async () => {
  const asker = new AbortController();
  const looking = Array.from({ length: 8 }, () => look(slow, asker.signal));
  await until('two are looked at', () => left().length === 2);
  expect(await look(plain)).toBe('too_many_installs');
  asker.abort();
  expect(await Promise.all(looking)).toEqual(Array(8).fill('no answer'));
  await until('nothing is left', () => left().length === 0);
  expect(await look(plain)).toBe(200);
  expect(await ask(gateway, 'GET', '/v1/plugins')).toEqual({ plugins: [] });
});

it('ends with the gateway', async () => {
  const looking = look(slow);
  await until('it is looked at', () => left().length === 1);
  const stopped = gateway.stop();
  expect(['going_away', 'no answer']).toContain(await looking);
  await stopped;
  await until('nothing is left', () => left().length === 0);
});
