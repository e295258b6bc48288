// The file in the data directory that names the running gateway, for commands of the same user, and the proof that the
// program at its address is that gateway: the file of a killed gateway stays, and another program may have its port by
// now.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

const NAME = 'gateway.json';
/** Maximum wait for an answer. A slower gateway is no help to a command. */
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 4096;

export interface GatewayFile {
  readonly url: string;
  readonly pid: number;
  /**
   * See `identityOf`. A copy of the data directory contains the file of the original. Undefined in files of older
   * gateways.
   */
  readonly directory?: string | undefined;
  /** Secret of this start of the gateway, by which it proves its identity. Undefined in files of older gateways. */
  readonly key?: string | undefined;
}

export const newProofKey = (): string => randomBytes(32).toString('base64url');

/** Returns the answer of a gateway with `key` to `nonce`. The key has no other use, so a chosen nonce does no harm. */
export const proofOf = (key: string, nonce: string): string =>
  createHmac('sha256', key).update(`binnacle gateway ${nonce}`).digest('base64url');

export function writeGatewayFile(dir: string, file: GatewayFile): void {
  // An existing file may have another mode.
  removeGatewayFile(dir);
  writeFileSync(join(dir, NAME), JSON.stringify(file), { mode: 0o600 });
}

export const removeGatewayFile = (dir: string): void => rmSync(join(dir, NAME), { force: true });

/** Returns undefined without a readable file. */
export function readGatewayFile(dir: string): GatewayFile | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dir, NAME), 'utf8'));
    const isFile = typeof value === 'object' && value !== null && 'url' in value && typeof value.url === 'string';
    return isFile ? (value as GatewayFile) : undefined;
  } catch {
    // No gateway was started here yet, or the last one was stopped.
    return undefined;
  }
}

/**
 * Checks which program answers at the address of the file, before a secret is sent there: the `gateway` that wrote the
 * file, `another` program, or `nobody`. An older gateway cannot prove itself, and counts while its process exists.
 */
export async function whoAnswers({ url, pid, key }: GatewayFile): Promise<'gateway' | 'another' | 'nobody'> {
  if (key === undefined) return isProcess(pid) ? 'gateway' : 'nobody';
  const nonce = randomBytes(24).toString('base64url');
  let answer: string;
  try {
    answer = await post(new URL('/v1/proof', url), JSON.stringify({ nonce }));
  } catch {
    return 'nobody';
  }
  const expected = Buffer.from(proofOf(key, nonce));
  const received = Buffer.from(proofIn(answer));
  return received.length === expected.length && timingSafeEqual(received, expected) ? 'gateway' : 'another';
}

function proofIn(answer: string): string {
  try {
    const { proof } = JSON.parse(answer) as { readonly proof?: unknown };
    return typeof proof === 'string' ? proof : '';
  } catch {
    // Another program may answer in any format.
    return '';
  }
}

/** Resolves with the beginning of the answer, whatever its status. Rejects without an answer. */
function post(url: URL, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', headers, timeout: TIMEOUT_MS, agent: false }, (response) => {
      let text = '';
      const over = (): void => {
        resolve(text);
        sent.destroy();
      };
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER_BYTES) over();
      });
      response.on('end', over).on('error', over);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', reject);
    sent.end(body);
  });
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process exists, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
