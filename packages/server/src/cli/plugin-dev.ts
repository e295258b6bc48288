// `binnacle plugin dev`: has the plugin of a folder in the gateway that runs, installs it again after each change, and shows
// what it prints. What it asks for more than was agreed to is asked about.

import { type FSWatcher, watch } from 'node:fs';
import { resolve } from 'node:path';
import type { Binnacle } from '@binnacle/client';
import type { PluginPreview } from '@binnacle/protocol';
import { INTERRUPTED } from './asking.ts';
import { withClient } from './connect.ts';
import { describe, EXIT, Failure } from './failure.ts';
import { agree, carryOut, doneText, type PluginInstallOptions, previewText } from './plugin-install.ts';
import { followLog, logLine } from './plugin-logs.ts';
import { printable, style } from './style.ts';

/** An editor writes a file in several steps, and several files at once. */
const SETTLE_MS = 150;
const IGNORED = /(?:^|\/)(?:\.|node_modules(?:\/|$))/;

export async function developPlugin(folder: string, options: PluginInstallOptions): Promise<number> {
  const path = resolve(folder);
  return await withClient(options, async (client) => {
    const first = await client.plugins.preview(path);
    const { id } = first;
    // Also one that is broken: what others installed is not for us to remove.
    const wasThere = (await client.plugins.list()).some((one) => one.id === id);
    const stop = new AbortController();
    const end = (): void => stop.abort();
    process.once('SIGINT', end).once('SIGTERM', end);
    const changes = new Changes(path);
    try {
      if (!(await takeUp(client, path, first, options))) return EXIT.failed;
      process.stderr.write('Waits for changes. Ctrl-C ends it.\n');
      await Promise.all([follow(client, id, stop.signal), again(client, path, id, options, changes, stop.signal)]);
    } finally {
      stop.abort();
      changes.close();
      process.off('SIGINT', end).off('SIGTERM', end);
      if (wasThere) process.stderr.write(`${id} stays as it is now.\n`);
      else {
        const isGone = await client.plugins.remove(id).then(
          () => true,
          () => false,
        );
        // Where the person said no, it never was there.
        if (isGone) process.stderr.write(`${id} is removed again.\n`);
      }
    }
    return EXIT.ok;
  });
}

async function again(
  client: Binnacle,
  path: string,
  id: string,
  options: PluginInstallOptions,
  changes: Changes,
  signal: AbortSignal,
): Promise<void> {
  let digest = '';
  while (await changes.next(signal)) {
    try {
      const preview = await client.plugins.preview(path);
      if (preview.digest === digest) continue;
      if (preview.id !== id) {
        process.stderr.write(`It is called ${printable(preview.id)} now: end this, and begin again.\n`);
        continue;
      }
      if (await takeUp(client, path, preview, options)) digest = preview.digest;
    } catch (error) {
      // Ctrl-C, where the answer to a question was due.
      if (error instanceof Failure && error.exitCode === INTERRUPTED) throw error;
      // A file that is half written, a line that does not parse: the next change may mend it.
      process.stderr.write(printableLines(describe(error, false)));
    }
  }
}

/** Nobody is asked twice about the same. False: the person does not want it. */
async function takeUp(
  client: Binnacle,
  path: string,
  preview: PluginPreview,
  options: PluginInstallOptions,
): Promise<boolean> {
  const look = style(process.stderr);
  const isAsked = preview.replaces === null || preview.widens.length > 0;
  if (isAsked) process.stderr.write(previewText(preview, look));
  const granted = isAsked ? await agree(preview, options) : [];
  if (granted === undefined) return false;
  process.stderr.write(doneText(await carryOut(client, path, preview, granted), look));
  return true;
}

async function follow(client: Binnacle, id: string, signal: AbortSignal): Promise<void> {
  const look = style(process.stdout);
  const { next } = await client.plugins.logs(id);
  const write = (line: Parameters<typeof logLine>[0]): void => void process.stdout.write(logLine(line, look));
  try {
    await followLog(client, id, next, write, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Changes of a folder, several that come together as one. */
class Changes {
  readonly #watcher: FSWatcher;
  #isChanged = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  constructor(dir: string) {
    this.#watcher = watch(dir, { recursive: true }, (_, name) => {
      if (name !== null && IGNORED.test(name)) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#isChanged = true;
        this.#wake();
      }, SETTLE_MS);
    });
    // As where the kernel watches no more folders for this user.
    this.#watcher.on('error', (error) => {
      process.stderr.write(`Changes are not seen any more: ${printable(String(error))}\n`);
    });
  }

  /** False: it is over. */
  async next(signal: AbortSignal): Promise<boolean> {
    while (!this.#isChanged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#isChanged = false;
    return !signal.aborted;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watcher.close();
  }
}

const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
