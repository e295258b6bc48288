// Stores the state of the trusted time between gateways: DIR/time.json.

import { join } from 'node:path';
import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';
import { z } from 'zod';
import { type TrustedState, TrustedTime } from '../base/trusted-time.ts';
import { readPrivateFile, writePrivateFile } from './data-dir.ts';

/** Interval of writes, the maximum age of the stored time. Small compared with a day, the threshold of a leap. */
const STORE_MS = 5 * 60_000;
const STATE = z.object({ at: z.number().finite(), waitedMs: z.number().nonnegative() });

export class StoredTime {
  readonly time: TrustedTime;
  readonly #path: string;
  readonly #warn: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;

  /**
   * `warn`: called when the state could not be written. Throws `bad_data_dir` if other users could have written the
   * file.
   */
  constructor(dir: string, warn: (error: unknown) => void, clocks: Clocks = REAL_CLOCKS) {
    this.#path = join(dir, 'time.json');
    this.#warn = warn;
    this.time = new TrustedTime(clocks, stateIn(readPrivateFile(this.#path)));
    this.#timer = setInterval(() => this.#store(), STORE_MS);
    this.#timer.unref();
    this.#store();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#store();
  }

  #store(): void {
    try {
      writePrivateFile(this.#path, JSON.stringify(this.time.state));
    } catch (error) {
      this.#warn(error);
    }
  }
}

/** Returns undefined without a valid file. Then the wall clock is trusted, as at a first start. */
function stateIn(text: string | undefined): TrustedState | undefined {
  try {
    return STATE.parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}
