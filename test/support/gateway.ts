// A gateway in the process of the tests: 45 ms instead of 1.3 s for a process of its own. The built one, over real
// sockets, with real programs and a data directory of its own. Closes itself, and ends all that runs in it.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { startGateway } from '../../packages/server/src/gateway/gateway.ts';
import type { GatewayOptions, Gateway as Running } from '../../packages/server/src/gateway/options.ts';
import { isSoak } from './count.ts';
import { GatewayAccess } from './gateway-access.ts';
import { atEnd } from './teardown.ts';
import { tempDir } from './temp-dir.ts';

export type { Ask, Reply } from './gateway-access.ts';
export { GatewayAccess, socketOf } from './gateway-access.ts';

export const LIBRARY = resolve(import.meta.dirname, '../../packages/server/dist/server.mjs');
/** Programs that do not end by themselves end soon. */
export const SHORT_ENDING = { hupMs: 200, termMs: 200 };
/**
 * The processes of a gateway start when they are needed: the search index with the first search (0.2 s of CPU), the first
 * runner with the first session (0.13 s). With `binnacle serve`, and in `npm run soak`, they start as they do for people.
 */
export const LATE_PROCESSES = isSoak ? {} : { startsAhead: false };

export interface GatewaySpec extends Partial<GatewayOptions> {
  /** Puts into the data directory what has to be there before the first start. */
  readonly prepare?: (dir: string) => void;
}

export class Gateway extends GatewayAccess {
  readonly #options: Partial<GatewayOptions>;
  #running: Running | undefined;
  #url = '';
  #token = '';
  #isClosed = false;

  constructor(dir: string, options: Partial<GatewayOptions>) {
    super(dir);
    this.#options = options;
  }

  get url(): string {
    return this.#url;
  }

  get token(): string {
    return this.#token;
  }

  /** Every address that it serves. */
  get addresses(): Running['addresses'] {
    return this.#running?.addresses ?? [];
  }

  /** Starts it on its directory, and on its port if it had one. */
  async start(): Promise<void> {
    const port = this.#url === '' ? 0 : Number(new URL(this.#url).port);
    const library = (await import(pathToFileURL(LIBRARY).href)) as { startGateway: typeof startGateway };
    this.#running = await library.startGateway({ dataDir: this.dir, port, ...this.#options });
    this.#url = this.#running.url;
    this.#token = this.#running.adminToken;
  }

  /** Stops the gateway as a person does: programs go on. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.close();
  }

  /** Starts it again on the same directory and port. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends every session and the gateway. Comes by itself at the end of the test or the file. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.disconnect();
    if (this.#running === undefined) await this.start();
    await this.endSessions();
    await this.stop();
  }
}

/** Opens a gateway in this process. `options`: as of `startGateway`. */
export async function openGateway({ prepare, ...options }: GatewaySpec = {}): Promise<Gateway> {
  const dir = tempDir('gateway');
  prepare?.(dir);
  const gateway = new Gateway(dir, { endingTimes: SHORT_ENDING, ...LATE_PROCESSES, logLevel: 'error', ...options });
  await gateway.start();
  atEnd(() => gateway.close());
  return gateway;
}
