// A gateway as a process of its own: for tests that kill it, send it signals, give it an environment, read its stderr or
// ask for its memory. It costs 1.3 s: all others take gateway.ts. Closes itself, and ends all that runs in it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { GatewayOptions } from '../../packages/server/src/gateway/options.ts';
import { type GatewaySpec, LATE_PROCESSES, LIBRARY, SHORT_ENDING } from './gateway.ts';
import { GatewayAccess } from './gateway-access.ts';
import { atEnd } from './teardown.ts';
import { tempDir } from './temp-dir.ts';

export const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

/** Runs a built gateway with options that `serve` has no flag for, and says on request what it holds. */
const scriptOf = (library: string): string => `
  const { readdirSync } = await import('node:fs');
  const { startGateway } = await import(${JSON.stringify(library)});
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

export interface GatewayProcessSpec extends GatewaySpec {
  /** Runs `binnacle serve` with these flags, and not the library: options of `startGateway` are not taken then. */
  readonly flags?: readonly string[];
  /** Added to ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** The gateway.js of another installation than ours. */
  readonly library?: string;
  /** It can be asked for its `holding()`. */
  readonly isInspected?: boolean;
}

export interface Holding {
  /** Active resources of the event loop by kind: timers, sockets … */
  readonly resources: Readonly<Record<string, number>>;
  /** After a collection. */
  readonly heapBytes: number;
  readonly descriptors: number;
}

export class GatewayProcess extends GatewayAccess {
  readonly #spec: Omit<GatewayProcessSpec, keyof GatewaySpec>;
  readonly #options: Partial<GatewayOptions>;
  #child: ChildProcess | undefined;
  #url = '';
  #token = '';
  #isClosed = false;
  /** Everything that it has written to stderr. */
  stderr = '';

  constructor(dir: string, { flags, env, library, isInspected, prepare: _, ...options }: GatewayProcessSpec) {
    super(dir);
    this.#spec = {
      ...(flags === undefined ? {} : { flags }),
      ...(env === undefined ? {} : { env }),
      ...(library === undefined ? {} : { library }),
      isInspected: isInspected ?? false,
    };
    this.#options = options;
  }

  get url(): string {
    return this.#url;
  }

  get token(): string {
    return this.#token;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Starts it on its directory, and on its port if it had one. Resolves when it is ready. `port`: 0 for another. */
  async start(port = this.#url === '' ? 0 : Number(new URL(this.#url).port)): Promise<void> {
    const { flags, env, library = LIBRARY, isInspected } = this.#spec;
    const options = { dataDir: this.dir, port, endingTimes: SHORT_ENDING, ...LATE_PROCESSES, ...this.#options };
    const args =
      flags === undefined
        ? [
            ...(isInspected ? ['--expose-gc'] : []),
            ...['--input-type=module', '-e', scriptOf(library), JSON.stringify(options)],
          ]
        : [BINARY, 'serve', '--data', this.dir, '--port', String(port), '--json', ...flags];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(isInspected ? (['ipc'] as const) : [])],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    child.stderr?.on('data', (bytes) => {
      this.stderr += String(bytes);
    });
    const ready = once(child.stdout ?? child, 'data').then(([bytes]) => JSON.parse(String(bytes)) as Ready);
    const { url, token } = await Promise.race([ready, this.#failure(child)]);
    this.#url = url;
    this.#token = token ?? readFileSync(join(this.dir, 'admin.token'), 'utf8').trim();
  }

  /** SIGKILL, as a crash would. Programs go on. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#gone();
  }

  /** SIGTERM, as a person would. Programs go on. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM');
    await this.#gone();
  }

  /** Starts it again, after it was stopped or killed, on the same directory and port. Resolves when it is ready. */
  restart(): Promise<void> {
    return this.start();
  }

  /** Counts active resources and memory after a garbage collection. */
  async holding(): Promise<Holding> {
    const child = this.#child;
    if (child === undefined) throw new Error('The gateway does not run.');
    child.send('report');
    // Rejects with an AbortError when the gateway ends before.
    const ended = new AbortController();
    const end = (): void => ended.abort();
    child.once('exit', end);
    try {
      const [holding] = await once(child, 'message', { signal: ended.signal });
      return holding as Holding;
    } finally {
      child.off('exit', end);
    }
  }

  /** Ends every session and the gateway. Comes by itself at the end of the test or the file. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.disconnect();
    if (!this.#isRunning) await this.start();
    await this.endSessions();
    await this.stop();
  }

  get #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #gone(): Promise<void> {
    if (this.#child !== undefined && this.#isRunning) await once(this.#child, 'exit');
  }

  /** Rejects when it ends. */
  #failure(child: ChildProcess): Promise<never> {
    const failure = once(child, 'exit').then(([code]) => {
      throw new Error(`The gateway ended with ${code}: ${this.stderr}`);
    });
    failure.catch(() => undefined);
    return failure;
  }
}

interface Ready {
  readonly url: string;
  readonly token?: string;
}

/** Opens a gateway as a process. */
export async function openGatewayProcess(spec: GatewayProcessSpec = {}): Promise<GatewayProcess> {
  const dir = tempDir('gateway');
  spec.prepare?.(dir);
  const gateway = new GatewayProcess(dir, spec);
  await gateway.start();
  atEnd(() => gateway.close());
  return gateway;
}
