// Cases 45 to 50 of docs/sessions.md, as far as no other test crosses them: what is peculiar to Node.

import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readProcess } from '../../packages/server/src/process/session-processes.ts';
import { count, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { openFrames } from '../support/wire.ts';
import { openEvents } from './events.fixture.ts';

const KIB = 1024;
const VIEWERS = count({ quick: 120, all: 300 });
/** By all that came and went: one that is kept alive by a forgotten listener holds some 10 kB, so 1200 kB of 120. */
const MOST_GROWN_KIB = 700;

describe('standard streams (no. 45)', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });

  it.each(['pty', 'pipe'])('can be opened by their names on a %s, which sockets cannot', async (mode) => {
    const command = [
      'echo 1 > /dev/stdout',
      'echo 2 > /dev/stderr',
      'echo 3 | tee /dev/stderr > /dev/null',
      'echo 4 >> /proc/self/fd/1',
      'read -r line < /dev/stdin; echo "$line"',
      'test -S /dev/stdin && echo socket; test -S /dev/stdout && echo socket; test -S /dev/stderr && echo socket; true',
    ].join('; ');
    const { id } = await gateway.create({ command, mode, env: { SHELL: '/bin/bash' } });
    await gateway.input(id, '5\n');
    expect(await gateway.closed(id)).toMatchObject({ exitCode: 0 });
    const text = async (query: string) =>
      (await gateway.ask(`/v1/sessions/${id}/output?${query}`)).text.replaceAll('\r', '');
    if (mode === 'pipe') {
      expect([await text('stream=stdout'), await text('stream=stderr')]).toEqual(['1\n4\n5\n', '2\n3\n']);
    } else {
      // The terminal echoes the 5 as well, whenever it comes.
      expect((await text('since=0')).split('\n').sort().join('')).toBe('123455');
    }
  });
});

describe('programs that read nothing and write nothing (no. 46, 48)', () => {
  const STUCK = count({ quick: 6, all: 24 });
  const OUTPUT = count({ quick: 1, all: 8 }) * KIB * KIB;

  it(`occupy no thread: beside ${STUCK} of them, ${STUCK / 2} with full queues, everything else goes on`, async () => {
    const gateway = await openGateway({ programsPerRunner: 100, maxInputBytes: count({ quick: 64, all: 256 }) * KIB });
    const first = await gateway.create({ command: 'exec cat', mode: 'pipe' });
    const runner = readProcess(first.pid ?? -1)?.parent ?? -1;
    const threads = () => readdirSync(`/proc/${runner}/task`).length;
    const start = (number: number) =>
      Promise.all(
        Array.from({ length: number }, (_, n) =>
          gateway.create({ argv: ['/bin/sleep', '600'], mode: n % 2 === 0 ? 'pty' : 'pipe' }),
        ),
      );
    // Pipes and terminals take some; then the queue is full.
    const fill = async ({ id }: { readonly id: string }): Promise<void> =>
      await until(
        'its queue is full',
        async () => (await gateway.input(id, Buffer.alloc(64 * KIB, '\n'))).code === 'input_full',
      );
    // Node starts its own threads when they are needed first, which differs between versions.
    await Promise.all((await start(2)).map(fill));
    const before = threads();
    const stuck = await start(STUCK);
    await Promise.all(stuck.slice(0, STUCK / 2).map(fill));
    expect(threads()).toBe(before);
    // In the same runner, and through the pool of threads of the gateway, which reads old output with it.
    const { id } = await gateway.create({ command: `head -c ${OUTPUT} /dev/zero; exec cat`, mode: 'pipe' });
    await until('it has written', async () => (await gateway.info(id)).outputOffset === OUTPUT);
    await gateway.input(id, 'alive');
    await until('it has answered', async () => (await gateway.info(id)).outputOffset === OUTPUT + 5);
    const texts = await Promise.all([0, 1, 2, 3, 4, 5].map(() => gateway.output(id)));
    expect(texts.map((text) => [text.length, text.slice(-5)])).toEqual(texts.map(() => [OUTPUT + 5, 'alive']));
    expect(readProcess(stuck[0]?.pid ?? -1)?.parent).toBe(runner);
  }, 60_000);
});

describe('a WebSocket (no. 49)', () => {
  it('is not compressed, whatever the client offers: that would cost memory for each, and can be bombed', async () => {
    const gateway = await openGateway();
    const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
    for (const path of ['/v1/ws', `/ws/session/${id}`]) {
      const extensions = await new Promise<string | undefined>((resolve, reject) => {
        const headers = {
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': Buffer.alloc(16).toString('base64'),
          'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
          authorization: `Bearer ${gateway.token}`,
        };
        const outgoing = request(gateway.url + path, { headers });
        outgoing.on('upgrade', (response, socket) => {
          socket.destroy();
          resolve(response.headers['sec-websocket-extensions']);
        });
        outgoing.on('response', ({ statusCode }) => reject(new Error(`It was refused: ${statusCode}.`)));
        outgoing.on('error', reject).end();
      });
      expect(extensions).toBeUndefined();
    }
  });
});

describe('viewers who come and go (no. 50)', () => {
  let gateway: GatewayProcess;
  let id: string;
  let viewToken: string;
  beforeAll(async () => {
    gateway = await openGatewayProcess({ isInspected: true });
    id = (await post('/v1/sessions', { command: 'echo hello; exec sleep 600', mode: 'pipe' })).id;
    viewToken = (await post('/v1/tokens', { name: 'viewer', scope: 'view' })).token;
  });

  const authorization = () => ({ authorization: `Bearer ${gateway.token}` });
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
  async function post(path: string, body: object): Promise<any> {
    const headers = { ...authorization(), 'content-type': 'application/json' };
    return (await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  }

  /** Each sees the output that there is, waits for more, and leaves without a word or with one. */
  const WAYS: Record<string, () => Promise<void>> = {
    'subscribed over /v1/ws': async () => {
      const frames = await openFrames(`${gateway.url}/v1/ws`, gateway.token);
      await frames.ask({ t: 'subscribe', session: id });
      await frames.ask({ t: 'lease', session: id, action: 'take' });
      await frames.next((frame) => Buffer.isBuffer(frame));
      frames.ws.terminate();
      await frames.closing();
    },
    'subscribed and unsubscribed over one /v1/ws': async () => {
      await shared.ask({ t: 'subscribe', session: id });
      await until('it has come', () => shared.all.some((frame) => Buffer.isBuffer(frame)));
      await shared.ask({ t: 'unsubscribe', session: id });
      // What it keeps of frames is the test's own.
      shared.all.length = 0;
    },
    'over /ws/session': async () => {
      const frames = await openFrames(`${gateway.url}/ws/session/${id}`, viewToken);
      await frames.next(({ type }) => type === 'stdout');
      frames.ws.close();
      await frames.closing();
    },
    'over server-sent events': async () => {
      const events = await openEvents(gateway, id);
      await events.seen('the output', (all) => all.text() === 'hello\n');
      await events.close();
    },
    'following raw output': async () => {
      const abort = new AbortController();
      const path = `/v1/sessions/${id}/output?follow=1`;
      const response = await fetch(gateway.url + path, { headers: authorization(), signal: abort.signal });
      for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>) break;
      abort.abort();
    },
    'long-polling': async () => {
      const path = `/v1/sessions/${id}/output?since=6&wait=55000`;
      const abort = new AbortController();
      const waiting = fetch(gateway.url + path, { headers: authorization(), signal: abort.signal });
      const answered = fetch(`${gateway.url}/v1/sessions/${id}`, { headers: authorization() });
      await (await answered).json();
      abort.abort();
      await waiting.catch(() => undefined);
    },
  };
  let shared: Awaited<ReturnType<typeof openFrames>>;

  it.each(some(Object.keys(WAYS), 4))(
    `%s: ${VIEWERS} of them leave no timer, no listener, no descriptor and no memory`,
    async (name) => {
      const way = WAYS[name] ?? (() => Promise.reject(new Error(name)));
      shared = await openFrames(`${gateway.url}/v1/ws`, gateway.token);
      onTestFinished(() => shared.ws.terminate());
      const many = async (number: number) => {
        // `shared` takes one after the other.
        const lanes = name.includes('one /v1/ws') ? 1 : 4;
        for (let left = number; left > 0; left -= lanes) await Promise.all(Array.from({ length: lanes }, way));
      };
      await many(40);
      const before = await settled();
      await many(VIEWERS);
      let after = before;
      const grownKib = () => (after.heapBytes - before.heapBytes) / KIB;
      // What was compiled meanwhile is let go of again, too, after some collections.
      await until('all is as before', async () => {
        after = await gateway.holding();
        if (grownKib() >= MOST_GROWN_KIB) return false;
        return Object.entries(after.resources).every(
          ([kind, number]) => number <= (before.resources[kind] ?? 0) + spare(kind),
        );
      }).catch(() => undefined);
      const grown = Object.entries(after.resources).filter(
        ([kind, number]) => number > (before.resources[kind] ?? 0) + spare(kind),
      );
      expect(grown).toEqual([]);
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 40);
      expect(grownKib()).toBeLessThan(MOST_GROWN_KIB);
      expect(gateway.stderr).toBe('');
    },
    60_000,
  );

  /** Connections that our own client keeps for later come and go. */
  const spare = (kind: string): number => (kind.includes('TCP') || kind.includes('HTTP') ? 40 : 0);

  /** As soon as two looks see the same. */
  async function settled() {
    let last = await gateway.holding();
    await until('it has settled', async () => {
      const now = await gateway.holding();
      const isSame = JSON.stringify(now.resources) === JSON.stringify(last.resources);
      last = now;
      return isSame;
    });
    return last;
  }
});
