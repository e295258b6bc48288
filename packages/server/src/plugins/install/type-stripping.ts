// Strips the types of a plugin in a thread with a time limit, because the parser gets untrusted input.

import { Worker } from 'node:worker_threads';
import { BinnacleError, type WireError } from '@binnacle/protocol';
import { loadedName, type Stripping, wrong } from './typescript.ts';

const TYPED = /\.m?ts$/;
const UNSUPPORTED = /\.(?:tsx|jsx|cts)$/;
/** Files of packages, which contain JavaScript. Everything else in them stays unchanged. */
const IN_PACKAGES = /(?:^|\/)node_modules\//;

const TIMEOUT_MS = 10_000;
const MAX_HEAP_MB = 256;

export interface TypeScripts {
  /** Path of the bundled thread: dist/plugin-types.mjs. */
  readonly script: string;
  readonly timeoutMs?: number;
}

export interface StripOptions {
  readonly thread: TypeScripts;
  /** Aborts the stripping. */
  readonly signal: AbortSignal;
  /** Runs `act` when no other such thread runs: each may need some hundred MiB. */
  serially(act: () => Promise<void>): Promise<void>;
}

/**
 * Strips the types below `dir`, which is private to the gateway and contains exactly `paths`. Throws `bad_typescript`,
 * and the reason of `signal`.
 */
export async function withoutTypes(
  dir: string,
  paths: readonly string[],
  { thread, signal, serially }: StripOptions,
): Promise<void> {
  const own = paths.filter((path) => !IN_PACKAGES.test(path));
  const odd = own.find((path) => UNSUPPORTED.test(path));
  if (odd !== undefined) {
    throw wrong(odd, 'files of this kind are not supported', 'Write .ts or .mts, without JSX and as ES modules.');
  }
  const typed = own.filter((path) => TYPED.test(path));
  if (typed.length === 0) return;
  const there = new Set(paths);
  const taken = typed.find((path) => there.has(loadedName(path)));
  if (taken !== undefined) {
    throw wrong(taken, `it becomes ${loadedName(taken)}, which is there, too`, 'Remove one of the two.');
  }
  const plain = own.filter((path) => !TYPED.test(path));
  await serially(() => run({ dir, typed, plain }, thread, signal));
}

function run(
  stripping: Stripping,
  { script, timeoutMs = TIMEOUT_MS }: TypeScripts,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const thread = new Worker(script, {
      workerData: stripping,
      name: 'types',
      // Excludes the flags of the embedding process (--input-type, loaders).
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: MAX_HEAP_MB / 4 },
    });
    let settle = (): void => reject(new BinnacleError('bad_typescript', { message: 'It takes too long to be read.' }));
    const end = (): void => void thread.terminate();
    const timer = setTimeout(end, timeoutMs);
    signal.addEventListener('abort', end, { once: true });
    thread.once('message', (problem: WireError | null) => {
      settle = problem === null ? resolve : () => reject(BinnacleError.fromWire(problem));
    });
    thread.once('error', (error: NodeJS.ErrnoException) => {
      // Out of memory, or a crash of the parser: both are caused by the input.
      const cause = new BinnacleError('bad_typescript', { message: 'It cannot be read.', cause: error });
      settle = () => reject(cause);
    });
    // Settles after the end of the thread, so that nothing is written afterwards.
    thread.once('exit', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      if (signal.aborted) reject(signal.reason);
      else settle();
    });
  });
}
