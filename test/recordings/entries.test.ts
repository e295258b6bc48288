// The log of a session, exactly, through a real gateway: whole, in parts, broken off, left early.

import { join } from 'node:path';
import { connect, type SessionEntry } from '@binnacle/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SegmentReader } from '../../packages/server/src/log/segment-reader.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type CastEvent, castOf, imported, ran } from './recordings.fixture.ts';

let gateway: Gateway;
/** Half a day with pauses, of more than two parts. */
let long: string;
beforeAll(async () => {
  gateway = await openGateway();
  const events: CastEvent[] = [];
  for (let n = 0; n < 700; n++) {
    events.push([n % 100 === 50 ? 3600 : 0.25, 'o', `${n} ${'é日'.repeat(400)}\r\n`]);
    if (n % 90 === 0) events.push([0.1, 'r', `${80 + n / 90}x24`]);
  }
  long = (await imported(gateway, castOf(events))).session.id;
});
afterAll(() => gateway.close());

type Plain = Record<string, unknown>;
const plain = (entry: SessionEntry): Plain =>
  'bytes' in entry ? { ...entry, bytes: Buffer.from(entry.bytes).toString('base64') } : { ...entry };

async function entriesOf(id: string, options = {}, client = gateway.client): Promise<Plain[]> {
  const all: Plain[] = [];
  for await (const entry of client.session(id).entries(options)) all.push(plain(entry));
  return all;
}

/** As it lies on the disk. */
async function onDisk(id: string): Promise<Plain[]> {
  const reader = SegmentReader.open(join(gateway.dir, 'sessions', id, 'log'), { mergeMs: Number.NEGATIVE_INFINITY });
  const all: Plain[] = [];
  for (let at = { epoch: reader.epoch, ...reader.oldest }; ; ) {
    const reading = await reader.read(at);
    if (reading.kind !== 'page') break;
    for (const { kind, time, offset, bytes } of reading.page.entries) {
      if (kind === 'input') continue;
      const isOutput = kind === 'tty' || kind === 'stdout' || kind === 'stderr';
      const text = Buffer.from(bytes);
      all.push({
        kind,
        time,
        offset,
        ...(isOutput ? { bytes: text.toString('base64') } : { data: JSON.parse(`${text}`) }),
      });
    }
    at = reading.page.next;
  }
  reader.close();
  return all;
}

/** Neighbours of one kind and time as one, as they come where a part ends inside of one. */
function joined(entries: readonly Plain[]): Plain[] {
  const all: Plain[] = [];
  for (const { bytes, ...entry } of entries) {
    const last = all.at(-1);
    const text = typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString('latin1') : undefined;
    if (text !== undefined && last?.text !== undefined && last.time === entry.time && last.kind === entry.kind) {
      last.text = `${last.text}${text}`;
    } else all.push(text === undefined ? entry : { ...entry, text });
  }
  return all;
}

it('entries are those of the log, of a terminal and of pipes, with bytes that are no text', async () => {
  const pipes = await ran(gateway, { command: "printf '\\377\\000a'; printf err >&2; exit 3", mode: 'pipe' });
  const terminal = await ran(gateway, { command: 'seq 50000' });
  for (const { id } of [pipes, terminal]) {
    const entries = await entriesOf(id);
    expect(joined(entries)).toEqual(joined(await onDisk(id)));
    expect(entries.at(-1)).toMatchObject({ kind: 'closed' });
  }
  expect(joined(await entriesOf(long))).toEqual(joined(await onDisk(long)));
});

it('parts in a row have each byte and each entry once, wherever they are cut', async () => {
  const { outputOffset } = await gateway.client.session(long).info();
  const cuts = [0, 1, 2402, 2403, 100_000, 600_001, outputOffset];
  const parts: Plain[] = [];
  for (const [n, since] of cuts.entries()) {
    const until = cuts[n + 1];
    const part = await entriesOf(long, until === undefined ? { since } : { since, until });
    for (const { offset } of part) expect(offset).toBeGreaterThanOrEqual(since);
    parts.push(...part);
  }
  expect(joined(parts)).toEqual(joined(await onDisk(long)));
});

it('it is read as its reader takes it, nothing is asked for meanwhile, and leaving ends it', async () => {
  const asked: { readonly url: URL; readonly signal: AbortSignal | null | undefined }[] = [];
  let taken = 0;
  const counting: typeof fetch = async (url, init) => {
    asked.push({ url: new URL(String(url)), signal: init?.signal });
    const response = await fetch(url, init);
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, out) => {
        taken += bytes.length;
        out.enqueue(bytes);
      },
    });
    return new Response(response.body?.pipeThrough(count), response);
  };
  const client = connect({ url: gateway.url, token: gateway.token, fetch: counting });
  let read = 0;
  for await (const entry of client.session(long).entries({ since: 10 })) {
    if (!('bytes' in entry)) continue;
    read += entry.bytes.length;
    expect(taken).toBeLessThan((read + 1024 * 1024) * 1.5);
    if (read > 600_000) break;
  }
  expect(asked.map(({ url }) => [url.searchParams.get('since'), url.searchParams.get('until')])).toEqual([
    ['10', `${10 + 512 * 1024}`],
    [`${10 + 512 * 1024}`, `${10 + 1024 * 1024}`],
  ]);
  expect(asked.every(({ signal }) => signal?.aborted)).toBe(true);
  client.close();
});

it('what breaks off is asked for again, and goes on where it was, also between entries without output', async () => {
  let breaks = 0;
  const breaking: typeof fetch = async (url, init) => {
    const response = await fetch(url, init);
    breaks += 1;
    if (breaks > 12) return response;
    let left = breaks === 1 ? 700 : breaks * 20_000;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, out) => {
        out.enqueue(bytes.subarray(0, left));
        left -= bytes.length;
        if (left < 0) out.error(new Error('cut off'));
      },
    });
    return new Response(response.body?.pipeThrough(cut), response);
  };
  const client = connect({
    ...{ url: gateway.url, token: gateway.token, fetch: breaking },
    backoff: { baseMs: 1, capMs: 2 },
  });
  expect(joined(await entriesOf(long, {}, client))).toEqual(joined(await onDisk(long)));
  expect(breaks).toBeGreaterThan(12);
  client.close();
});

it('what cannot be read is refused by code', async () => {
  const { outputOffset } = await gateway.client.session(long).info();
  const refused = entriesOf(long, { since: outputOffset + 1 });
  await expect(refused).rejects.toMatchObject({ code: 'offset_ahead', details: { headOffset: outputOffset } });
  const codes: string[] = [];
  for (const query of [
    'since=1',
    'format=text&encoding=base64',
    'format=jsonl&since=5&until=4',
    'format=jsonl&since=x',
  ]) {
    const answer = await gateway.fetch(`/v1/sessions/${long}/export?${query}`);
    codes.push(`${answer.status} ${((await answer.json()) as { error: { code: string } }).error.code}`);
  }
  expect(codes).toEqual(['400 bad_request', '400 bad_request', '400 bad_offset', '400 bad_offset']);
});
