import type { Code } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, type TestSession, until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { ClientOptions } from '../transport/options.ts';

let gateway: TestGateway;
let session: TestSession;
let clients: Binnacle[];

beforeEach(async () => {
  gateway = await TestGateway.start();
  session = gateway.session();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await gateway.stop();
});

function open(more: Partial<ClientOptions> = {}): Binnacle {
  const client = new Binnacle({ url: gateway.url, token: 't', WebSocket, backoff: { baseMs: 2, capMs: 10 }, ...more });
  clients.push(client);
  return client;
}

describe('input', () => {
  it('is written, and answered with a receipt', async () => {
    const handle = open().session(session.id);
    expect(await handle.write('héllo')).toEqual({ accepted: 6, duplicate: false, queued: 0 });
    expect(await handle.write(Uint8Array.of(0, 255))).toMatchObject({ accepted: 2 });
    expect(Buffer.concat(session.written)).toEqual(Buffer.from([...Buffer.from('héllo'), 0, 255]));
  });

  it.each([1, 2, 3, 4])(
    'receipts: over a connection that loses answers it acts once, in order (seed %i)',
    async (seed) => {
      let state = seed;
      const random = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      gateway.beforeAnswer = (frame) => (frame.t === 'input' && random() < 0.2 ? 'cut' : 'send');
      const handle = open().session(session.id);
      const lines = Array.from({ length: 60 }, (_, i) => `${i};`);
      const receipts = await Promise.all(lines.map((line) => handle.write(line)));
      expect(session.input).toBe(lines.join(''));
      expect(receipts.every((receipt) => receipt.accepted > 0)).toBe(true);
      expect(receipts.some((receipt) => receipt.duplicate)).toBe(true);
    },
  );

  it('is buffered while there is no connection, and sent in order afterwards', async () => {
    const { port } = gateway;
    const handle = open().session(session.id);
    await handle.write('a');
    await gateway.stop();
    const receipts = [handle.write('b'), handle.write('c'), handle.write('d')];
    await gateway.listen(port);
    await Promise.all(receipts);
    expect(session.input).toBe('abcd');
  });

  it('is cut into messages that break no character, and is whole again', async () => {
    const text = 'ab€'.repeat(40_000);
    const receipt = await open().session(session.id).write(text);
    expect(receipt.accepted).toBe(Buffer.byteLength(text));
    expect(session.input).toBe(text);
    expect(session.written.length).toBeGreaterThan(5);
    for (const part of session.written)
      expect(() => new TextDecoder('utf-8', { fatal: true }).decode(part)).not.toThrow();
  });

  it('throws input_full when more than the limit waits, and takes nothing of it', async () => {
    const handle = open({ outboxBytes: 1_000 }).session(session.id);
    gateway.refuse = (frame) => (frame.t === 'input' ? 'input_full' : undefined);
    const first = handle.write('x'.repeat(900));
    await expect(handle.write('y'.repeat(100))).rejects.toMatchObject({ code: 'input_full', retryable: true });
    gateway.refuse = () => undefined;
    await first;
    expect(session.input).toBe('x'.repeat(900));
    await handle.write('z');
  });

  it('waits and sends again, in order, while the program does not read', async () => {
    let refusals = 5;
    gateway.refuse = (frame) => {
      if (frame.t !== 'input' || refusals === 0) return undefined;
      refusals -= 1;
      return 'input_full';
    };
    const handle = open().session(session.id);
    await Promise.all(['a', 'b', 'c', 'd'].map((text) => handle.write(text)));
    expect(session.input).toBe('abcd');
  });

  it.each<Code>(['lease_held', 'forbidden', 'lease_lost'])(
    'throws %s, and what is written later still arrives',
    async (code) => {
      let refused = false;
      gateway.refuse = (frame) => {
        if (frame.t !== 'input' || refused) return undefined;
        refused = true;
        return code;
      };
      const handle = open().session(session.id);
      const receipts = await Promise.allSettled(['a', 'b', 'c'].map((text) => handle.write(text)));
      expect(receipts.map((receipt) => receipt.status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
      expect(receipts[0]).toMatchObject({ reason: { code } });
      await handle.write('d');
      expect(session.input).toBe('bcd');
    },
  );

  it('throws what was vetoed, and what was written behind it goes on under its number', async () => {
    gateway.refuse = (frame) => {
      if (frame.t !== 'input' || Buffer.from(frame.base64 ?? '', 'base64').toString() !== 'b') return undefined;
      // It is used up.
      session.clients.set(frame.client ?? '', frame.n ?? 0);
      return 'vetoed';
    };
    const handle = open().session(session.id);
    const receipts = await Promise.allSettled(['b', 'a', 'b', 'c', 'd', 'b'].map((text) => handle.write(text)));
    const states = receipts.map((receipt) => (receipt.status === 'rejected' ? receipt.reason.code : 'taken'));
    expect(states).toEqual(['vetoed', 'taken', 'vetoed', 'taken', 'taken', 'vetoed']);
    expect(session.input).toBe('acd');
    const numbers = gateway.received.flatMap((frame) => (frame.t === 'input' ? [`${frame.client} ${frame.n}`] : []));
    const [first = ''] = numbers;
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6].map((n) => `${first.split(' ')[0]} ${n}`));
  });

  it('keeps its order when there is room for a later part but not for the first', async () => {
    let refusals = 3;
    gateway.refuse = (frame) => {
      if (frame.t !== 'input' || (frame.base64?.length ?? 0) < 100 || refusals === 0) return undefined;
      refusals -= 1;
      return 'input_full';
    };
    const handle = open().session(session.id);
    const receipts = await Promise.all(['x'.repeat(500), 'a', 'b'].map((text) => handle.write(text)));
    expect(session.input).toBe(`${'x'.repeat(500)}ab`);
    expect(receipts.some((receipt) => receipt.duplicate)).toBe(false);
  });

  it.each([true, false])(
    'goes on when the gateway has forgotten its numbers (and takes any first: %s)',
    async (any) => {
      gateway.takesAnyFirst = any;
      const handle = open().session(session.id);
      await handle.write('a');
      session.clients.clear();
      await handle.write('b');
      expect(session.input).toBe('ab');
    },
  );

  it('says input_gap rather than act twice when the gateway forgot and an answer was lost', async () => {
    gateway.takesAnyFirst = false;
    const handle = open().session(session.id);
    await handle.write('a');
    let cuts = 0;
    gateway.beforeAnswer = (frame) => {
      if (frame.t !== 'input' || cuts === 1) return 'send';
      cuts += 1;
      session.clients.clear();
      return 'cut';
    };
    await expect(handle.write('b')).rejects.toMatchObject({ code: 'input_gap' });
    await handle.write('c');
    expect(session.input).toBe('abc');
  });

  it('goes with the lease under which it was written', async () => {
    const handle = open().session(session.id);
    const lease = await handle.lease.acquire({ holder: 'me' });
    await handle.write('x');
    await handle.signal('SIGINT');
    for (const t of ['input', 'signal'])
      expect(gateway.received.find((frame) => frame.t === t)).toMatchObject({ lease: lease.lease });
  });

  it('sends what the terminal answers by itself once, unnumbered, and not later', async () => {
    const handle = open().session(session.id);
    expect(await handle.write('\x1b[?6c', { auto: true })).toMatchObject({ accepted: 0 });
    await handle.write('x');
    await handle.write('\x1b[?6c', { auto: true }).catch(() => {});
    const auto = gateway.received.filter((frame) => frame.t === 'input' && frame.auto === true);
    for (const frame of auto) expect(frame).not.toHaveProperty('n');
  });

  it('closes the input behind everything that was written before', async () => {
    gateway.refuse = () => undefined;
    const handle = open().session(session.id);
    const write = handle.write('last words');
    await handle.closeStdin();
    await write;
    const order = gateway.received.map((frame) => frame.t).filter((t) => t === 'input' || t === 'close_stdin');
    expect(order).toEqual(['input', 'close_stdin']);
  });

  it('that has no receipt yet throws client_closed when the client is closed', async () => {
    gateway.refuse = (frame) => (frame.t === 'input' ? 'input_full' : undefined);
    const client = open();
    const write = client.session(session.id).write('x');
    await until('the input', () => gateway.received.some((frame) => frame.t === 'input'));
    client.close();
    await expect(write).rejects.toMatchObject({ code: 'client_closed' });
  });
});
