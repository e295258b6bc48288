// What the plugin's end says of errors: where in the plugin they come from, and what to do instead where a wall was met.
// For authors alone; no wall is here.

/** By what Node calls the permission that a process has not. */
const INSTEAD: Readonly<Record<string, string>> = {
  FileSystemRead: 'A plugin reads the files of its own folder, and no others.',
  FileSystemWrite: 'A plugin writes no files: api.storage keeps what it needs, with the permission "storage".',
  ChildProcess:
    'A plugin starts no programs of its own: api.runCommandWithTimeout has the gateway run them, with the permission "runCommandWithTimeout".',
  WorkerThreads: 'A plugin has one thread.',
};
const NO_NETWORK = 'A plugin has no network of its own: api.fetch has the gateway send it, with the permission "net".';
const NETWORK = /^(?:ENETUNREACH|EAI_AGAIN|ENOTFOUND|EADDRNOTAVAIL|UND_ERR_\w+)$/;

/** Of one that says the same as often as it is called, a line in so long is enough. */
const AGAIN_MS = 10_000;
const MAX_TOLD = 200;
const MAX_TEXT = 4000;

interface Known {
  readonly code?: unknown;
  readonly permission?: unknown;
  readonly cause?: unknown;
}

/** The message, and what to do instead. */
export function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const instead = insteadOf(error);
  return (instead === undefined || message.includes(instead) ? message : `${message}. ${instead}`).slice(0, MAX_TEXT);
}

function insteadOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, permission, cause } = error as Known;
  if (code === 'ERR_ACCESS_DENIED') return INSTEAD[String(permission)];
  const codes = [code, (cause as Known | undefined)?.code];
  return codes.some((one) => typeof one === 'string' && NETWORK.test(one)) ? NO_NETWORK : undefined;
}

/** The lines of a stack that are the plugin's own. */
export function framesOf(stack: unknown): string[] {
  // A plugin may have its stacks made by something of its own.
  return (typeof stack === 'string' ? stack : '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line) && !line.includes('node:') && !line.includes(import.meta.url));
}

/** `index.js:3:9`, as the process sees the file. */
export function placeOf(error: unknown): string | undefined {
  const [first = ''] = error instanceof Error ? framesOf(error.stack) : [];
  return /\(?([^\s()]+:\d+:\d+)\)?$/.exec(first)?.[1];
}

/** Writes what handlers throw to stderr, which is the plugin's log. */
export class ThrownLog {
  readonly #toldAt = new Map<string, number>();

  tell(method: string, error: unknown): void {
    const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : '';
    const line = `${method} threw: ${name}${wordsOf(error)}`;
    const now = performance.now();
    if (now - (this.#toldAt.get(line) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    if (this.#toldAt.size >= MAX_TOLD) this.#toldAt.clear();
    this.#toldAt.set(line, now);
    const frames = error instanceof Error ? framesOf(error.stack) : [];
    process.stderr.write(`${[line, ...frames].join('\n')}\n`);
  }
}

/** The global one fails with words that help nobody. */
export function explainFetch(): void {
  const { fetch } = globalThis;
  // Without walls it works.
  if ((process as { permission?: unknown }).permission === undefined || typeof fetch !== 'function') return;
  globalThis.fetch = async (...given) => {
    try {
      return await fetch(...given);
    } catch (error) {
      if (!(error instanceof TypeError) || error.cause === undefined) throw error;
      throw new TypeError(`fetch failed. ${NO_NETWORK}`, { cause: error.cause });
    }
  };
}
