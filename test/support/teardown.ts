// Closes everything that the kit opens: after the test that opened it, or after the file if a `beforeAll` opened it.

import { afterAll, afterEach, beforeEach, type TestContext } from 'vitest';

/** Closes something. `failed`: the test that has failed, if one has. */
export type Closer = (failed?: TestContext['task']) => unknown;

interface Scopes {
  readonly file: Closer[];
  /** Undefined between tests, and thus in `beforeAll`. */
  test: Closer[] | undefined;
}

/** Shared by all files of a worker: each file leaves the lists empty. */
const scopes: Scopes = { file: [], test: undefined };

/** Runs `close` at the end of the current test, or of the file. What was opened last is closed first. */
export function atEnd(close: Closer): void {
  (scopes.test ?? scopes.file).push(close);
}

/** Runs `close` at the end of the file, whoever asks for it. */
export function atFileEnd(close: Closer): void {
  scopes.file.push(close);
}

/** Runs `open` such that what it opens is closed at the end of the file, even where a test was the first to want it. */
export async function forFile<T>(open: () => Promise<T>): Promise<T> {
  const { test } = scopes;
  scopes.test = undefined;
  try {
    return await open();
  } finally {
    scopes.test = test;
  }
}

/** Registers the hooks in the file that runs now. They come first of all `beforeEach` and last of all `afterEach`. */
export function closeAtEnd(): void {
  beforeEach(() => {
    scopes.test = [];
  });
  afterEach(async ({ task }) => {
    const closers = scopes.test ?? [];
    scopes.test = undefined;
    await closeAll(closers, task.result?.state === 'fail' ? task : undefined);
  }, 60_000);
  const before = ownVariables();
  afterAll(async () => {
    await closeAll(scopes.file.splice(0));
    const left = ownVariables();
    if (left !== before) throw new Error(`The file leaves variables for the next one of its worker: ${left}`);
  }, 60_000);
}

/** Environment variables by which a command finds its gateway. A test of another file would use them, too. */
const ownVariables = (): string =>
  Object.entries(process.env)
    .filter(([name]) => /^BINNACLE_(URL|TOKEN|DATA)$/.test(name))
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(' ');

/** Closes everything even where a closer throws, and then throws what the first one has thrown. */
async function closeAll(closers: Closer[], failed?: TestContext['task']): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers.reverse()) {
    try {
      await close(failed);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
