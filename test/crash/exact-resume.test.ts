import { beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { floodBytes, floodDigest } from './flood.mjs';
import { eagerClient, type Flooding, logDigest, MIB, random, startFlood } from './flooding.fixture.ts';

const JOINS = count({ quick: 40, all: 1000 });
/** What looks at the log at once; more would only wait for each other on two cores. */
const VIEWERS = 12;
const LABEL = 'joined';
const LIMIT_MS = 60_000;
/** Maximum MiB per second of the flood. A faster one takes the processor from the tests beside it. */
const RATE = count({ quick: 8, all: 8, soak: 24 });
/** Bytes that the gateway retains: more than the flood can write within the limit, so that every join finds its range. */
const RETAINED = 2 * RATE * MIB * (LIMIT_MS / 1000);

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ retainBytes: RETAINED });
});

interface Join {
  readonly from: number;
  readonly bytes: number;
}

type Way = (flooding: Flooding, join: Join, client: ReturnType<typeof eagerClient>) => Promise<Buffer>;

/** Following from a position; broken off by the viewer when it has enough. */
const follow: Way = async ({ id }, { from, bytes }) => {
  const abort = new AbortController();
  const response = await gateway.fetch(`/v1/sessions/${id}/output?since=${from}&follow=1`, { signal: abort.signal });
  expect(response.status).toBe(200);
  const parts: Uint8Array[] = [];
  let got = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parts.push(chunk);
    got += chunk.length;
    if (got >= bytes) break;
  }
  abort.abort();
  return Buffer.concat(parts);
};

/** Pieces, each from where the one before it ended, waiting where there is nothing yet. */
const poll: Way = async ({ id }, { from, bytes }) => {
  const parts: Buffer[] = [];
  for (let at = from; at < from + bytes; ) {
    const query = `since=${at}&wait=5000&limit=${1 + random(bytes)}`;
    const response = await gateway.fetch(`/v1/sessions/${id}/output?${query}`);
    expect(response.status).toBe(200);
    const part = Buffer.from(await response.arrayBuffer());
    const next = response.headers.get('binnacle-next-offset');
    if (next !== null) expect(Number(next)).toBe(at + part.length);
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
};

const events: Way = async ({ id }, { from, bytes }) => {
  const abort = new AbortController();
  const response = await gateway.fetch(`/v1/sessions/${id}/output?since=${from}&encoding=base64`, {
    headers: { accept: 'text/event-stream' },
    signal: abort.signal,
  });
  expect(response.status).toBe(200);
  const parts: Buffer[] = [];
  let at = from;
  let rest = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const texts = (rest + Buffer.from(chunk).toString('latin1')).split('\n\n');
    rest = texts.pop() ?? '';
    for (const text of texts) {
      if (!text.includes('\nevent: output\n')) continue;
      const { offset, base64 } = JSON.parse(text.slice(text.indexOf('\ndata: ') + 7)) as {
        offset: number;
        base64: string;
      };
      expect(offset).toBe(at);
      const part = Buffer.from(base64, 'base64');
      parts.push(part);
      at += part.length;
    }
    if (at >= from + bytes) break;
  }
  abort.abort();
  return Buffer.concat(parts);
};

const attach: Way = async ({ id }, { from, bytes }, client) => {
  const parts: Uint8Array[] = [];
  let at = from;
  for await (const event of client.session(id).attach({ offset: from })) {
    if (event.type === 'output') {
      expect(event.offset).toBe(at);
      parts.push(event.bytes);
      at += event.bytes.length;
    } else expect(event.type).not.toBe('gap');
    if (at >= from + bytes) break;
  }
  return Buffer.concat(parts);
};

const WAYS = { follow, poll, events, attach };

describe('exact-resume', () => {
  it('an event between the bytes of one character resumes at the character, not inside it', async () => {
    const { id } = await gateway.client.sessions.create({
      command: "stty -echo; printf 'a\\303'; read -r; printf '\\251z'",
    });
    const path = `/v1/sessions/${id}`;
    const post = (what: string, body: string) =>
      gateway.fetch(`${path}/${what}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const events = async (query: string, headers: Record<string, string> = {}) => {
      const text = await (await gateway.fetch(`${path}/output?format=sse${query}`, { headers })).text();
      return [...text.matchAll(/id: (.*)\nevent: (.*)\ndata: (.*)\n/g)].map(([, at = '', event, data = '']) => ({
        at,
        event,
        ...(JSON.parse(data) as { cols?: number; text?: string }),
      }));
    };
    await until('half a character is out', async () => (await gateway.client.sessions.get(id)).outputOffset === 2);
    expect((await post('resize', '{"cols":99,"rows":9}')).status).toBe(204);
    const resized = (await events('&follow=0')).find(({ event, cols }) => event === 'resize' && cols === 99);
    expect((await post('input', '\n')).status).toBe(200);
    const rest = await events('&follow=1', { 'last-event-id': resized?.at ?? '' });
    expect(rest.map(({ text = '' }) => text).join('')).toBe('\u00e9z');
  });

  it(
    `${JOINS} joins at random offsets during a flood each get exactly that range`,
    async () => {
      const flooding = await startFlood(gateway, {
        label: LABEL,
        mode: 'pty',
        bytes: count({ quick: 1, all: 8 }) * MIB,
        rate: RATE,
        endless: true,
      });
      const names = Object.keys(WAYS) as (keyof typeof WAYS)[];
      const done = { follow: 0, poll: 0, events: 0, attach: 0, live: 0 };
      let left = JOINS;
      const begun = performance.now();
      const viewer = async () => {
        const client = eagerClient(gateway);
        while (left-- > 0) {
          const way = names[random(names.length)] ?? 'follow';
          const { outputOffset } = await client.sessions.get(flooding.id);
          const isLive = random(4) === 0;
          // At the head and close before it, where catching up becomes following; else anywhere.
          const from = isLive ? Math.max(0, outputOffset - random(3) * random(5000)) : random(outputOffset + 1);
          const bytes = 1 + random(random(2) === 0 ? 500 : 128 * 1024);
          const got = await WAYS[way](flooding, { from, bytes }, client);
          expect(got.length).toBeGreaterThanOrEqual(bytes);
          if (!got.equals(floodBytes(LABEL, from, from + got.length)))
            throw new Error(`${way} from ${from}: other bytes.`);
          done[way] += 1;
          if (isLive) done.live += 1;
        }
        client.close();
      };
      await Promise.all(Array.from({ length: VIEWERS }, viewer));
      const seconds = (performance.now() - begun) / 1000;
      flooding.stop();
      const log = await settled(flooding.id);
      expect(log.sha256).toBe(floodDigest(LABEL, log.bytes));
      console.log(`${JOINS} joins in ${seconds.toFixed(1)} s over ${(log.bytes / MIB).toFixed(0)} MiB`, done);
      expect(done.follow + done.poll + done.events + done.attach).toBe(JOINS);
    },
    LIMIT_MS,
  );
});

async function settled(id: string) {
  const all = await gateway.fetch(`/v1/sessions/${id}/output?since=0&follow=1`);
  for await (const _ of all.body as unknown as AsyncIterable<Uint8Array>);
  return await logDigest(gateway, id);
}
