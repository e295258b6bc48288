// A gateway as a process of its own that says what it holds: what keeps its loop alive, its heap, its descriptors.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { GatewayOptions } from '../../packages/server/src/gateway-options.ts';

const LIBRARY = resolve(import.meta.dirname, '../../packages/server/dist/gateway.js');
const SCRIPT = `
  const { readdirSync } = await import('node:fs');
  const { startGateway } = await import(${JSON.stringify(LIBRARY)});
  const gateway = await startGateway(JSON.parse(process.argv[1]));
  process.on('message', () => {
    globalThis.gc();
    globalThis.gc();
    const resources = {};
    for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    process.send({ resources, heapBytes: heapUsed + arrayBuffers, descriptors: readdirSync('/proc/self/fd').length });
  });
  process.on('SIGTERM', () => gateway.close().then(() => process.exit(0)));
  process.stdout.write(JSON.stringify({ url: gateway.url, token: gateway.adminToken }) + '\\n');
`;

export interface Holding {
  /** What keeps the loop alive or is watched by it, by kind: timers, sockets … */
  readonly resources: Readonly<Record<string, number>>;
  /** After a collection. */
  readonly heapBytes: number;
  readonly descriptors: number;
}

export interface InspectedGateway {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** Everything that it has written to stderr. */
  stderr(): string;
  holding(): Promise<Holding>;
  close(): Promise<void>;
}

export async function openInspectedGateway(options: Partial<GatewayOptions> = {}): Promise<InspectedGateway> {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-inspected-'));
  const all = { dataDir: dir, port: 0, endingTimes: { hupMs: 100, termMs: 100 }, ...options };
  const args = ['--expose-gc', '--input-type=module', '-e', SCRIPT, JSON.stringify(all)];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let stderr = '';
  child.stderr?.on('data', (bytes) => {
    stderr += String(bytes);
  });
  const failed = once(child, 'exit').then(() => {
    throw new Error(`The gateway ended: ${stderr}`);
  });
  failed.catch(() => undefined);
  const [line] = await Promise.race([once(child.stdout ?? child, 'data'), failed]);
  const { url, token } = JSON.parse(String(line)) as { url: string; token: string };
  return {
    url,
    token,
    pid: child.pid ?? -1,
    stderr: () => stderr,
    holding: async () => {
      const answer = once(child, 'message');
      child.send('report');
      const [holding] = (await Promise.race([answer, failed])) as [Holding];
      return holding;
    },
    close: async () => {
      const headers = { authorization: `Bearer ${token}` };
      const text = await (await fetch(`${url}/v1/sessions?limit=1000`, { headers })).text();
      const { sessions } = JSON.parse(text) as { sessions: { id: string }[] };
      if (sessions === undefined) throw new Error(text);
      await Promise.all(sessions.map(({ id }) => fetch(`${url}/v1/sessions/${id}`, { method: 'DELETE', headers })));
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
