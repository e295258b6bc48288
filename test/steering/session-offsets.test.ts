// A viewer of /ws/session/:id that loses its connection again and again and follows the rule: it comes back with the offset
// of the last frame that had one.

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
/** Looks on, so that several may. */
let token: string;
beforeAll(async () => {
  gateway = await openGateway();
  ({ token } = await gateway.tokenOf('view'));
});

type Output = { readonly type: string; readonly data?: string; readonly offset?: number };

/** Connects, takes so many frames and cuts the connection, for each of `cuts`; then to the end. */
async function watch(id: string, query: string, cuts: readonly number[]): Promise<Output[]> {
  const all: Output[] = [];
  let since = 0;
  for (const most of [...cuts, Number.POSITIVE_INFINITY]) {
    const frames = await gateway.frames(`/ws/session/${id}?since=${since}${query}`, token);
    for (let n = 0; n < most; n += 1) {
      const frame = await frames.next().catch(() => undefined);
      if (frame === undefined) break;
      all.push(frame);
      since = frame.offset ?? since;
      if (frame.type === 'exit') return all;
    }
    frames.ws.terminate();
  }
  return all;
}

const dataOf = (frames: readonly Output[]): string[] =>
  frames.filter(({ type }) => ['stdout', 'stderr', 'replay'].includes(type)).map(({ data = '' }) => data);
const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** Pieces of UTF-8, whole and broken, and of anything. */
const piece = fc.oneof(
  fc.constantFrom('a', 'é', '€', '😀', '\ufeff').map((text) => Buffer.from(text)),
  fc.constantFrom('é', '€', '😀').chain((text) => {
    const bytes = Buffer.from(text);
    return fc.integer({ min: 1, max: bytes.length - 1 }).map((length) => bytes.subarray(0, length));
  }),
  fc.uint8Array({ minLength: 1, maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
);
const written = fc.array(fc.array(piece, { minLength: 1, maxLength: 6 }).map(Buffer.concat), {
  minLength: 1,
  maxLength: 6,
});
const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 });

describe('a viewer that comes back with the offset of the last frame', () => {
  it('has every byte once in base64, and every character once as text, whatever was written and wherever it was cut', async () => {
    await fc.assert(
      fc.asyncProperty(written, cuts, async (writes, lost) => {
        const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
        const watching = ['&encoding=base64', ''].map((query) => watch(id, query, lost));
        let offset = 0;
        for (const bytes of writes) {
          await gateway.ask(`/v1/sessions/${id}/input`, {
            body: bytes,
            headers: { 'content-type': 'application/octet-stream' },
          });
          offset += bytes.length;
          await until('it is written', async () => (await gateway.info(id)).outputOffset >= offset);
        }
        await gateway.ask(`/v1/sessions/${id}/close-stdin`, { body: {} });
        const [exact = [], text = []] = await Promise.all(watching);
        const all = Buffer.concat(writes);
        const bytes = Buffer.concat(dataOf(exact).map((data) => Buffer.from(data, 'base64')));
        expect(bytes.toString('hex')).toBe(all.toString('hex'));
        expect(dataOf(text).join('')).toBe(textOf(all));
      }),
      { numRuns: 8 },
    );
  });
});
