// Progress of a transfer for a person: a line on stderr that is redrawn.

/** Delay before the first line: a shorter transfer needs none. */
const FIRST_MS = 1000;
const EVERY_MS = 200;
const UNITS = ['B', 'KiB', 'MiB', 'GiB'] as const;

export class Progress {
  readonly #what: string;
  readonly #isShown: boolean;
  #bytes = 0;
  #printedAt: number;
  #isPrinted = false;

  /** `isBusy`: the transferred data goes to the same terminal. */
  constructor(what: string, isBusy: boolean) {
    this.#what = what;
    this.#isShown = process.stderr.isTTY === true && !isBusy;
    this.#printedAt = performance.now() + FIRST_MS - EVERY_MS;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    if (!this.#isShown || now - this.#printedAt < EVERY_MS) return;
    this.#printedAt = now;
    this.#isPrinted = true;
    process.stderr.write(`\r${formatBytes(this.#bytes)} ${this.#what}\x1b[K`);
  }

  end(): void {
    if (this.#isPrinted) process.stderr.write('\r\x1b[K');
    this.#isPrinted = false;
  }
}

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
