// A real gateway for whole-system tests: the built binary as a process of its own, on a free port and a fresh directory.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Binnacle, connect } from '@binnacle/client';
import { WebSocket } from 'ws';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

export interface GatewayFixture {
  readonly dir: string;
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  readonly client: Binnacle;
  /** SIGKILL, as a crash would. Programs go on. */
  kill(): Promise<void>;
  /** SIGTERM, as a person would. Programs go on. */
  stop(): Promise<void>;
  /** Starts it again on the same directory and port. Resolves when it is ready. */
  restart(): Promise<void>;
  /** Another client of the same gateway. */
  connect(options?: { token?: string }): Binnacle;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Ends every session, the gateway and its runners, and removes the directory. */
  close(): Promise<void>;
}

/** `prepare` puts into the data directory what has to be there before the first start; `env` is added to ours. */
export async function openGateway(
  flags: readonly string[] = [],
  prepare: (dir: string) => void = () => undefined,
  env: Readonly<Record<string, string>> = {},
): Promise<GatewayFixture> {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-gateway-'));
  prepare(dir);
  let running = await start(dir, 0, flags, env);
  const token = readFileSync(join(dir, 'admin.token'), 'utf8').trim();
  const port = Number(new URL(running.url).port);
  const clients: Binnacle[] = [];
  const connectAs = (options: { token?: string } = {}): Binnacle => {
    const client = connect({ url: running.url, token: options.token ?? token, makeSocket: socketOf });
    clients.push(client);
    return client;
  };
  const fixture = {
    dir,
    token,
    get url() {
      return running.url;
    },
    get pid() {
      return running.child.pid ?? -1;
    },
    client: connectAs(),
    kill: async () => {
      running.child.kill('SIGKILL');
      await gone(running.child);
    },
    stop: async () => {
      running.child.kill('SIGTERM');
      await gone(running.child);
    },
    restart: async () => {
      running = await start(dir, port, flags, env);
    },
    connect: connectAs,
    fetch: (path: string, init: RequestInit = {}) =>
      fetch(running.url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    close: async () => {
      for (const client of clients) client.close();
      if (running.child.exitCode !== null || running.child.signalCode !== null)
        running = await start(dir, port, flags, env);
      // Their agents are sessions that no list shows.
      for (;;) {
        const { conversations } = (await (await fixture.fetch('/v1/conversations?limit=200')).json()) as {
          conversations: { key: string }[];
        };
        if (conversations.length === 0) break;
        const path = (key: string): string => `/v1/conversations/${encodeURIComponent(key)}`;
        await Promise.all(conversations.map(({ key }) => fixture.fetch(path(key), { method: 'DELETE' })));
      }
      const { sessions } = (await (await fixture.fetch('/v1/sessions?limit=1000')).json()) as {
        sessions: { id: string }[];
      };
      await Promise.all(sessions.map(({ id }) => fixture.fetch(`/v1/sessions/${id}`, { method: 'DELETE' })));
      running.child.kill('SIGTERM');
      await gone(running.child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** The `ws` package carries the token in a header, which Node 20 has no WebSocket of its own for. */
export const socketOf = (url: string, headers: Record<string, string>) => new WebSocket(url, { headers });

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(
  dir: string,
  port: number,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Running> {
  const args = [BINARY, 'serve', '--data', dir, '--port', String(port), '--json', ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let told = '';
  child.stderr?.on('data', (bytes) => {
    told += String(bytes);
  });
  const ready = once(child.stdout ?? child, 'data').then(([bytes]) => JSON.parse(String(bytes)) as { url: string });
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`The gateway ended with ${code}: ${told}`);
  });
  failed.catch(() => undefined);
  const { url } = await Promise.race([ready, failed]);
  return { child, url };
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Waits for a condition; fails with its name after `withinMs`. Polls, because what is waited for is another process. */
export async function until(
  name: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${name}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
