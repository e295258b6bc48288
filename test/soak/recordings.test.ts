// Large exports and those that nobody reads: memory stays bounded, nobody else waits, retention is told.

import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withJson } from '../conversations/conversation.fixture.ts';
import { eventsOf, exported, ran } from '../recordings/recordings.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
/** Many times what may be in memory. */
const TOTAL = 200 * MIB;

let gateway: GatewayProcess;
let id: string;
beforeAll(async () => {
  gateway = await openGatewayProcess({ flags: [] });
  // Escapes and characters of several bytes: what costs most to encode.
  const line = '\\033[31mérgo 漢字\\033[0m plain text of a line that goes on for a while';
  ({ id } = await ran(gateway, { argv: ['bash', '-c', `yes "$(printf '${line}')" | head -c ${TOTAL}`], mode: 'pipe' }));
  // The index works in the same process, and is not what is measured.
  await until('it is indexed', async () => (await gateway.client.search('nothing')).behindBytes === 0, 60_000);
}, 120_000);
afterAll(() => gateway.close());

/** MiB. */
const memoryOf = (what: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;

it.each(['cast', 'text', 'jsonl', 'markdown'])(
  'a long session as %s takes little memory, and all of it comes',
  async (format) => {
    // What was used most starts anew.
    writeFileSync(`/proc/${gateway.pid}/clear_refs`, '5');
    const before = memoryOf('VmRSS');
    const began = performance.now();
    const response = await gateway.fetch(`/v1/sessions/${id}/export?format=${format}`);
    let bytes = 0;
    let tail = '';
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      tail = (tail + Buffer.from(chunk).toString()).slice(-200);
    }
    const seconds = (performance.now() - began) / 1000;
    const grown = memoryOf('VmHWM') - before;
    process.stdout.write(
      `${format}: ${(bytes / MIB).toFixed(0)} MiB in ${seconds.toFixed(1)} s, grown ${grown.toFixed(0)} MiB\n`,
    );
    expect(bytes).toBeGreaterThan(TOTAL / 2);
    expect(grown).toBeLessThan(128);
    if (format === 'cast') expect(tail).toMatch(/"x", "\d+"\]\n$/);
  },
  60_000,
);

it('an export that nobody reads takes a page or two, and lets everybody else through', async () => {
  const { port } = new URL(gateway.url);
  const before = memoryOf('VmRSS');
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(
      `GET /v1/sessions/${id}/export HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${gateway.token}\r\n\r\n`,
    );
    return socket;
  });
  // Each has sent what the sockets hold, and stands.
  await until('they are stalled', async () => (await stood()) && (await stood()));
  expect(memoryOf('VmRSS') - before).toBeLessThan(96);
  const other = await ran(gateway, { argv: ['echo', 'hi'] });
  expect(await exported(gateway, other.id, '?format=text')).toBe('hi\n');
  for (const socket of sockets) socket.destroy();
}, 60_000);

async function stood(): Promise<boolean> {
  const ticks = (): number => {
    const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, 100));
  return ticks() - before <= 1;
}

it('what ends while it is exported is cut where it was asked for, or followed to its end', async () => {
  const { id: open } = await gateway.client.sessions.create({
    argv: ['bash', '-c', `head -c ${16 * MIB} /dev/zero | tr '\\0' x; echo; echo asks; read; echo more; exit 5`],
    mode: 'pipe',
  });
  const session = gateway.client.session(open);
  await until('it asks', async () => (await gateway.client.sessions.get(open)).outputOffset > 16 * MIB + 2);
  // Nobody reads yet: most of both is still in the log when the program ends.
  const now = await gateway.fetch(`/v1/sessions/${open}/export`);
  const whole = await gateway.fetch(`/v1/sessions/${open}/export?follow=1`);
  await session.write('\n');
  await until('it has closed', async () => (await gateway.client.sessions.get(open)).state === 'closed');
  const tail = (text: string) => text.slice(-200);
  expect(tail(await now.text())).toMatch(/asks\\r\\n"\]\n$/);
  expect(tail(await whole.text())).toMatch(/more\\r\\n"\]\n\[\d+\.\d{3}, "x", "5"\]\n$/);
}, 30_000);

it('what retention took is told with its number, in every form', async () => {
  const small = await openGatewayProcess({ flags: ['--retain-bytes', '1MiB'] });
  try {
    // Of what runs elsewhere, for its log is trimmed at once.
    const emit = async (response: string) => {
      const answer = await small.fetch('/v1/pty-traffic/emit', withJson({ events: [{ session_id: 'far', response }] }));
      return ((await answer.json()) as { results: { session: string }[] }).results[0]?.session ?? '';
    };
    let kept = '';
    for (let i = 0; i < 8; i++) kept = await emit('x'.repeat(MIB / 2));
    await until('some of it is gone', async () => (await small.client.sessions.get(kept)).oldestOffset > 0);
    const cast = await exported(small, kept);
    const { oldestOffset } = await small.client.sessions.get(kept);
    expect(eventsOf(cast)[0]?.slice(1)).toEqual([
      'm',
      `${oldestOffset} bytes of output are missing here (not kept any more)`,
    ]);
    expect(eventsOf(cast)[0]?.[0]).toBe(0);
    expect(await exported(small, kept, '?format=text')).toContain(`[${oldestOffset} bytes of output are missing`);
    expect(await exported(small, kept, '?format=jsonl')).toContain(
      `{"kind":"gap","from":0,"to":${oldestOffset},"reason":"retention"}`,
    );
    expect(await exported(small, kept, '?format=markdown')).toContain(`*${oldestOffset} bytes of output are missing`);
  } finally {
    await small.close();
  }
}, 60_000);
