// A data directory that version 0.1 has left behind, killed in the midst of its work: today's gateway opens it and has
// everything. make.mjs says how it was made.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAll } from '../support/count.ts';
import { openGateway } from '../support/gateway.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { inventoryOf } from './inventory.mjs';

// biome-ignore lint/suspicious/noExplicitAny: it is compared as a whole.
type Json = any;
const expected: Json = JSON.parse(readFileSync(join(import.meta.dirname, 'expected.json'), 'utf8'));
const { ids, keys, secrets, madeAt } = expected;
const before: Json = expected.inventory;

/** Links end after 30 days, and what is older than that goes: the clock stands an hour after it was made. */
const behindMs = Math.floor(Date.now() - madeAt - 3600_000);

const unpack = (dir: string): void => {
  const { status, stderr } = spawnSync('tar', ['-xzf', join(import.meta.dirname, 'data.tar.gz'), '-C', dir]);
  if (status !== 0) throw new Error(String(stderr));
};

/** Maximum ms until a start has come to rest: a plugin, an index and an agent of a machine that has much else to do. */
const WAIT_MS = 30_000;
/** Maximum ms per test: two starts each, and all that is kept is read after each of them. */
const TEST_MS = 90_000;

/** All of it, once nothing moves any more: what had waited has ended, the plugin runs, the index is whole. */
async function settled(gateway: GatewayAccess): Promise<Json> {
  const ofOpen = `/v1/conversations/${encodeURIComponent(keys.open)}`;
  await until(
    'what waited has ended',
    async () => {
      const { run, queue } = (await gateway.ask(ofOpen)).json;
      return run === null && queue.length === 0;
    },
    WAIT_MS,
  );
  await until('the plugin runs', async () => (await gateway.ask('/plugins/keeper/kept')).status === 200, WAIT_MS);
  await until(
    'the index is whole',
    async () => {
      const { status, json } = await gateway.ask('/v1/search?q=Ahoy');
      return status === 200 && json.behindBytes === 0;
    },
    WAIT_MS,
  );
  return await inventoryOf(gateway);
}

/** Programs that ran when it was killed: their runner is gone with the machine. */
const WERE_RUNNING: readonly string[] = [ids.running, ids.shell];

function expectEverything(after: Json): void {
  expect(Object.keys(after.sessions).sort()).toEqual(Object.keys(before.sessions).sort());
  for (const [id, session] of Object.entries<Json>(before.sessions)) {
    const now = after.sessions[id];
    if (!WERE_RUNNING.includes(id)) {
      expect.soft(now, session.name).toEqual(session);
      continue;
    }
    // Its log has grown by its end, which has an epoch of its own; not one byte of the output is another.
    const { state: _, entries: __, cast: ___, epoch: ____, exitedAt: _____, runs, ...same } = session;
    expect.soft(now, session.name).toMatchObject({ ...same, state: 'lost', exitCode: null });
    expect
      .soft(
        now.runs?.map(({ id: run }: Json) => run),
        session.name,
      )
      .toEqual(runs?.map(({ id: run }: Json) => run));
  }
  expect(Object.keys(after.conversations).sort()).toEqual(Object.keys(before.conversations).sort());
  for (const [key, conversation] of Object.entries<Json>(before.conversations)) {
    const now = after.conversations[key];
    if (key !== keys.open) {
      expect.soft(now, key).toEqual(conversation);
      continue;
    }
    expect.soft(now.events.slice(0, conversation.events.length)).toEqual(conversation.events);
    expect.soft(now.messages.map(({ id }: Json) => id)).toEqual(expect.arrayContaining(['o1', 'o2']));
    const ends = now.events.filter(({ type }: Json) => ['final', 'error', 'aborted'].includes(type));
    expect.soft(ends.map(({ run, type }: Json) => [run, type])).toEqual([
      ['o1', 'error'],
      ['o2', 'final'],
    ]);
  }
  const { sessions: _, conversations: __, ...rest } = before;
  const { sessions: ___, conversations: ____, ...now } = after;
  expect(now).toEqual(rest);
}

/** Everybody whom it let in comes in, and nobody else. */
async function expectDoors(gateway: GatewayAccess): Promise<void> {
  const me = async (token: string | null, headers: Record<string, string> = {}): Promise<string> => {
    const { json, code } = await gateway.ask('/v1/me', { token, headers });
    return code ?? `${json.user} ${json.scope}`;
  };
  expect(await me(secrets.admin)).toBe('admin admin');
  expect(await me(secrets.ada)).toBe('ada input');
  expect(await me(secrets.viewer)).toMatch(/^token-.* view$/);
  expect(await me(secrets.ingest)).toBe('forbidden');
  expect(await me(secrets.revoked)).toBe('unauthorized');
  const cookie = `binnacle_${new URL(gateway.url).port}=${secrets.cookie}`;
  expect(await me(null, { cookie, 'binnacle-key': secrets.key, origin: gateway.url })).toBe('admin input');
  expect(await me(secrets.guest)).toMatch(/^share:.* input$/);
  const look = async (secret: string): Promise<Json> => {
    const { json, code } = await gateway.ask('/v1/shares/look', { body: { secret }, token: null });
    return code ?? [json.kind, json.mode, json.usesLeft];
  };
  expect(await look(secrets.typed)).toEqual(['session', 'type', 2]);
  expect(await look(secrets.shown)).toEqual(['conversation', 'view', null]);
  expect(await look(secrets.ended)).toBe('share_revoked');
  const { code } = await gateway.ask(`/v1/sessions/${ids.gone}`);
  expect(code).toBe('session_gone');
  expect((await gateway.ask(`/pty/${expected.execd}`)).json).toMatchObject({ session_id: expected.execd });
}

describe('a data directory of version 0.1 that was killed at work', () => {
  beforeEach(() => {
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) - behindMs);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it(
    'is opened by a gateway in this process, twice, and nothing is lost and nothing is there twice',
    async () => {
      const gateway = await openGateway({ prepare: unpack });
      const first = await settled(gateway);
      expectEverything(first);
      await expectDoors(gateway);
      await gateway.restart();
      expect(await settled(gateway)).toEqual({ ...first, shares: expect.anything() });
      const redeemed = await gateway.ask('/v1/shares/redeem', { body: { secret: secrets.typed }, token: null });
      expect(redeemed).toMatchObject({ status: 201, json: { session: ids.pty, mode: 'type' } });
      const again = await gateway.ask('/v1/pty-traffic/emit', {
        token: secrets.ingest,
        body: {
          producer: { id: 'runner-1', epoch: 1 },
          events: [{ session_id: 'job-2', seq: 0, response: 'one of many\n' }],
        },
      });
      expect(again.json).toMatchObject({ duplicates: 1, stored: 0 });
    },
    TEST_MS,
  );

  // The test above has the same library of the same build.
  const itInAll = isAll ? it : undefined;
  itInAll?.(
    'is opened by the built program, also after a kill -9 of it',
    async () => {
      const gateway = await openGatewayProcess({
        prepare: unpack,
        flags: [],
        env: {
          BINNACLE_TEST_BEHIND_MS: String(behindMs),
          NODE_OPTIONS: `--import=${resolve(import.meta.dirname, 'back-then.mjs')}`,
        },
      });
      const first = await settled(gateway);
      expectEverything(first);
      await gateway.kill();
      await gateway.restart();
      expect(await settled(gateway)).toEqual(first);
      await expectDoors(gateway);
    },
    TEST_MS,
  );
});
