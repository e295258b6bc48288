// A push service and its browser for tests: takes what is sent, checks who sends, and reads it with the browser's key. It
// shares no code with what it tests.

import { createDecipheriv, createECDH, createHmac, createPublicKey, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const made = createHmac('sha256', key);
  for (const part of parts) made.update(part);
  return made.digest();
};

/** RFC 8188 and RFC 8291, from the browser's side, spelled out with HMAC. Throws for what is not for it. */
export function decrypt(body: Uint8Array, privateKey: Uint8Array, auth: Uint8Array): Buffer {
  const all = Buffer.from(body);
  const salt = all.subarray(0, 16);
  const keyLength = all.readUInt8(20);
  const senderKey = all.subarray(21, 21 + keyLength);
  const sealed = all.subarray(21 + keyLength);
  if (all.readUInt32BE(16) < sealed.length) throw new Error('There is more than one record.');
  const browser = createECDH('prime256v1');
  browser.setPrivateKey(privateKey);
  const one = Buffer.from([1]);
  const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), browser.getPublicKey(), senderKey]);
  const ikm = hmac(hmac(auth, browser.computeSecret(senderKey)), keyInfo, one);
  const prk = hmac(salt, ikm);
  const key = hmac(prk, Buffer.from('Content-Encoding: aes128gcm\0'), one).subarray(0, 16);
  const nonce = hmac(prk, Buffer.from('Content-Encoding: nonce\0'), one).subarray(0, 12);
  const cipher = createDecipheriv('aes-128-gcm', key, nonce);
  cipher.setAuthTag(sealed.subarray(-16));
  const padded = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (padded[end] !== 2) throw new Error('The record does not say that it is the last one.');
  return padded.subarray(0, end);
}

/** What a VAPID header says, if its signature is good. Throws where it is not. */
export function readVapid(header: string): {
  readonly key: string;
  readonly claims: Readonly<Record<string, unknown>>;
} {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(header) ?? [];
  const [head = '', claims = '', signature = ''] = token.split('.');
  const json = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
  if (json(head).alg !== 'ES256') throw new Error('It is not signed with ES256.');
  const point = Buffer.from(key, 'base64url');
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
  const publicKey = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
  const signed = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', Buffer.from(`${head}.${claims}`), signed, Buffer.from(signature, 'base64url'))) {
    throw new Error('The signature is not of that key.');
  }
  return { key, claims: json(claims) };
}

export interface Browser {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
  read(body: Uint8Array): Readonly<Record<string, string>>;
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Takes whatever is posted, as a push service, an ntfy server or a webhook would; `answer` decides what it says. */
export class FakeService {
  readonly received: Received[] = [];
  answer: (
    path: string,
    before: number,
  ) => number | { readonly status: number; readonly headers: Record<string, string> } = () => 201;
  readonly #server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const path = request.url ?? '';
      const reply = this.answer(path, this.at(path).length);
      this.received.push({ path, headers: request.headers, body: Buffer.concat(pieces) });
      const { status, headers } = typeof reply === 'number' ? { status: reply, headers: {} } : reply;
      response.writeHead(status, headers).end('something to read');
    });
  });

  static async open(): Promise<FakeService> {
    const service = new FakeService();
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    return service;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  at(path: string): readonly Received[] {
    return this.received.filter((one) => one.path === path);
  }

  /** Another browser that has subscribed here. */
  browser(name: string): Browser {
    const pair = createECDH('prime256v1');
    const [p256dh, auth] = [pair.generateKeys(), randomBytes(16)];
    return {
      endpoint: `${this.origin}/${name}`,
      keys: { p256dh: p256dh.toString('base64url'), auth: auth.toString('base64url') },
      read: (body) => JSON.parse(decrypt(body, pair.getPrivateKey(), auth).toString()) as Record<string, string>,
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
