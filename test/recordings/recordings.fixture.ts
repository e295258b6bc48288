// What the tests of recordings ask of a gateway, and the casts that they send it. No part of the product.

import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ImportedRecording } from '@binnacle/client';
import type { SessionInfo } from '@binnacle/protocol';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

export type CastEvent = readonly [interval: number, code: string, data: string];

export const V3 = '{"version": 3, "term": {"cols": 80, "rows": 24}, "timestamp": 1500000000}\n';
export const castOf = (events: readonly CastEvent[], header = V3): string =>
  header + events.map((event) => `${JSON.stringify(event)}\n`).join('');

export const exported = async (gateway: GatewayAccess, id: string, query = ''): Promise<string> => {
  const response = await gateway.fetch(`/v1/sessions/${id}/export${query}`);
  if (!response.ok) throw new Error(await response.text());
  return await response.text();
};

export const eventsOf = (cast: string): CastEvent[] =>
  cast
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as CastEvent);

export const outputOf = (cast: string): string =>
  eventsOf(cast)
    .filter(([, code]) => code === 'o')
    .map(([, , data]) => data)
    .join('');

export async function post(gateway: GatewayAccess, body: string, query = '', headers: Record<string, string> = {}) {
  const response = await gateway.fetch(`/v1/recordings${query}`, { method: 'POST', body, headers });
  return {
    status: response.status,
    body: (await response.json()) as ImportedRecording & {
      readonly error?: {
        readonly code: string;
        readonly message: string;
        readonly details?: { readonly line?: number };
      };
    },
  };
}

export async function imported(gateway: GatewayAccess, cast: string, query = ''): Promise<ImportedRecording> {
  const { status, body } = await post(gateway, cast, query);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body;
}

/** Runs a program to its end. */
export async function ran(
  gateway: GatewayAccess,
  spec: Parameters<GatewayAccess['client']['sessions']['create']>[0],
): Promise<SessionInfo> {
  const { id } = await gateway.client.sessions.create(spec);
  await until('it has closed', async () => (await gateway.client.sessions.get(id)).state === 'closed');
  return await gateway.client.sessions.get(id);
}

/** An import whose body is sent bit by bit, and maybe never ends. */
export function upload(gateway: Pick<GatewayAccess, 'url' | 'token'>): {
  readonly socket: Socket;
  send(text: string): void;
  answer(): string;
} {
  const { port } = new URL(gateway.url);
  let answer = '';
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('data', (bytes) => {
    answer += String(bytes);
  });
  socket.on('error', () => undefined);
  socket.write(
    `POST /v1/recordings HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${gateway.token}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  return {
    socket,
    send: (text) => void socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`),
    answer: () => answer,
  };
}

/** What is under way, and what sessions there are, on the disk. */
export const underWay = ({ dir }: GatewayAccess): string[] => readdirSync(join(dir, 'imports'));
export const onDisk = ({ dir }: GatewayAccess): string[] => readdirSync(join(dir, 'sessions'));
