// The format of errors in the plugin's process: the location in the plugin, and the alternative to a blocked operation.
// Advice for authors only; the sandbox enforces.

/** Advice by Node's name of the missing permission. */
const INSTEAD: Readonly<Record<string, string>> = {
  FileSystemRead: 'A plugin reads the files of its own folder, and no others.',
  FileSystemWrite: 'A plugin writes no files: api.storage keeps what it needs, with the permission "storage".',
  ChildProcess:
    'A plugin starts no programs of its own: api.runCommandWithTimeout has the gateway run them, with the permission "runCommandWithTimeout".',
  WorkerThreads: 'A plugin has one thread.',
};
const NO_NETWORK = 'A plugin has no network of its own: api.fetch has the gateway send it, with the permission "net".';
const NETWORK = /^(?:ENETUNREACH|EAI_AGAIN|ENOTFOUND|EADDRNOTAVAIL|UND_ERR_\w+)$/;

/** Interval within which an equal line is logged only once. */
const AGAIN_MS = 10_000;
const MAX_REMEMBERED_LINES = 200;
const MAX_TEXT = 4000;

interface NodeError {
  readonly code?: unknown;
  readonly permission?: unknown;
  readonly cause?: unknown;
}

/** Returns the message with the advice. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const instead = insteadOf(error);
  return (instead === undefined || message.includes(instead) ? message : `${message}. ${instead}`).slice(0, MAX_TEXT);
}

function insteadOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, permission, cause } = error as NodeError;
  if (code === 'ERR_ACCESS_DENIED') return INSTEAD[String(permission)];
  const codes = [code, (cause as NodeError | undefined)?.code];
  return codes.some((one) => typeof one === 'string' && NETWORK.test(one)) ? NO_NETWORK : undefined;
}

/** Returns the stack lines within the plugin. */
export function framesOf(stack: unknown): string[] {
  // A plugin may replace the formatting of stacks.
  return (typeof stack === 'string' ? stack : '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line) && !line.includes('node:') && !line.includes(import.meta.url));
}

/** Returns the location as `index.js:3:9`, with the path that the process sees. */
export function locationOf(error: unknown): string | undefined {
  const [first = ''] = error instanceof Error ? framesOf(error.stack) : [];
  return /\(?([^\s()]+:\d+:\d+)\)?$/.exec(first)?.[1];
}

/** Writes the errors of handlers to stderr, which is the plugin's log. */
export class ErrorLog {
  readonly #loggedAt = new Map<string, number>();

  log(method: string, error: unknown): void {
    const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : '';
    const line = `${method} threw: ${name}${describeError(error)}`;
    const now = performance.now();
    if (now - (this.#loggedAt.get(line) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    if (this.#loggedAt.size >= MAX_REMEMBERED_LINES) this.#loggedAt.clear();
    this.#loggedAt.set(line, now);
    const frames = error instanceof Error ? framesOf(error.stack) : [];
    process.stderr.write(`${[line, ...frames].join('\n')}\n`);
  }
}

/** Replaces the global `fetch`, whose error messages do not help an author. */
export function explainFetch(): void {
  const { fetch } = globalThis;
  // Without a sandbox it works.
  if ((process as { permission?: unknown }).permission === undefined || typeof fetch !== 'function') return;
  globalThis.fetch = async (...args) => {
    try {
      return await fetch(...args);
    } catch (error) {
      if (!(error instanceof TypeError) || error.cause === undefined) throw error;
      throw new TypeError(`fetch failed. ${NO_NETWORK}`, { cause: error.cause });
    }
  };
}
