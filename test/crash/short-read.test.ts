import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionMode } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, isSoak } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { floodBytes, floodDigest } from './flood.mjs';

const TIMES = count({ quick: 4, all: 20, soak: 500 });
const LABEL = 'quick';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

/** One run: started, followed from its beginning, deleted. */
async function run(mode: SessionMode, file: string) {
  const command = mode === 'pty' ? `stty raw -echo; exec cat ${file}` : `exec cat ${file}`;
  const { id } = await gateway.client.sessions.create({ command, mode });
  const response = await gateway.fetch(`/v1/sessions/${id}/output?since=0&follow=1`);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const { state, exitCode, outputOffset } = await gateway.client.sessions.get(id);
  await gateway.client.sessions.delete(id);
  return { bytes, sha256: hash.digest('hex'), state, exitCode, outputOffset };
}

describe.each(['pty', 'pipe'] as const)('tail-first: a program on a %s', (mode) => {
  it.each([
    [1, TIMES],
    [4095, TIMES],
    [4096, TIMES],
    [4097, TIMES],
    [300 * 1024, TIMES],
    [count({ quick: 4, all: 20 }) * 1024 * 1024, isSoak ? 500 : 1],
  ])(
    'that writes %d bytes and exits at once is followed to its last byte, %d times',
    async (bytes, times) => {
      const file = join(gateway.dir, `${bytes}`);
      writeFileSync(file, floodBytes(LABEL, 0, bytes));
      const whole = { bytes, sha256: floodDigest(LABEL, bytes), state: 'closed', exitCode: 0, outputOffset: bytes };
      let left = times;
      const worker = async () => {
        while (left-- > 0) expect(await run(mode, file)).toEqual(whole);
      };
      await Promise.all(Array.from({ length: 4 }, worker));
    },
    isSoak ? 3_600_000 : 60_000,
  );
});
