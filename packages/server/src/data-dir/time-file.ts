// Keeps what is known of the wall clock from one gateway to the next: DIR/time.json. Knows no row.

import { join } from 'node:path';
import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';
import { z } from 'zod';
import { type TrustedState, TrustedTime } from '../base/trusted-time.ts';
import { readPrivateFile, writePrivateFile } from './data-dir.ts';

/** Against a day, which is what a leap is, it may be behind by that. */
const KEEP_MS = 5 * 60_000;
const STATE = z.object({ at: z.number().finite(), waitedMs: z.number().nonnegative() });

export class KeptTime {
  readonly time: TrustedTime;
  readonly #path: string;
  readonly #warn: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;

  /** `warn`: it could not be kept. Throws `bad_data_dir` where others could have written the file. */
  constructor(dir: string, warn: (error: unknown) => void, clocks: Clocks = REAL_CLOCKS) {
    this.#path = join(dir, 'time.json');
    this.#warn = warn;
    this.time = new TrustedTime(clocks, stateIn(readPrivateFile(this.#path)));
    this.#timer = setInterval(() => this.#keep(), KEEP_MS);
    this.#timer.unref();
    this.#keep();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#keep();
  }

  #keep(): void {
    try {
      writePrivateFile(this.#path, JSON.stringify(this.time.state));
    } catch (error) {
      this.#warn(error);
    }
  }
}

/** Undefined: nobody kept any, or it was damaged. Then the wall clock is believed, as at a first start. */
function stateIn(text: string | undefined): TrustedState | undefined {
  try {
    return STATE.parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}
