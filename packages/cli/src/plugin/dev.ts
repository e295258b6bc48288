// `binnacle plugin dev`: installs the plugin of a folder in the running gateway, again after each change, and shows its
// log. Asks for consent only to additional permissions.

import { resolve } from 'node:path';
import type { Binnacle } from '@binnacle/client';
import { BinnacleError, type PluginPreview } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { describe, EXIT, Failure } from '../output/failure.ts';
import { printable, styleFor } from '../output/style.ts';
import { FolderChanges } from './folder-changes.ts';
import { agree, carryOut, doneText, previewText } from './install.ts';
import { followLog, logLine } from './logs.ts';

export async function developPlugin(folder: string, options: Options<'plugin dev'>): Promise<number> {
  const path = resolve(folder);
  return await withClient(options, async (client) => {
    const changes = new FolderChanges(path);
    await changes.record();
    const first = await client.plugins.preview(path);
    const { id } = first;
    // Includes broken plugins: a plugin that was installed before must not be removed.
    const wasThere = (await client.plugins.list()).some((one) => one.id === id);
    const stop = new AbortController();
    const end = (): void => stop.abort();
    // A second Ctrl-C ends the command at once. A closed terminal raises SIGHUP twice: from its shell, and from the
    // kernel.
    process.once('SIGINT', end).once('SIGTERM', end).on('SIGHUP', end);
    // Without a terminal there is no one to report to, but the plugin must still be removed.
    process.stdout.removeAllListeners('error').on('error', end);
    process.stderr.on('error', end);
    try {
      if (!(await takeUp(client, path, first, options))) return EXIT.failed;
      process.stderr.write('Waiting for changes. Press Ctrl-C to stop.\n');
      const digest = first.digest;
      await Promise.all([
        follow(client, id, stop.signal),
        again(client, path, { id, digest }, options, changes, stop.signal),
      ]);
    } finally {
      stop.abort();
      if (wasThere) process.stderr.write(`${id} stays as it is now.\n`);
      else {
        const isRemoved = await client.plugins.remove(id).then(
          () => true,
          () => false,
        );
        // Fails if the person refused the install.
        if (isRemoved) process.stderr.write(`${id} is removed again.\n`);
      }
      process.off('SIGINT', end).off('SIGTERM', end).off('SIGHUP', end);
    }
    return EXIT.ok;
  });
}

async function again(
  client: Binnacle,
  path: string,
  { id, digest: first }: Pick<PluginPreview, 'id' | 'digest'>,
  options: Options<'plugin dev'>,
  changes: FolderChanges,
  signal: AbortSignal,
): Promise<void> {
  let digest = first;
  while (await changes.next(signal)) {
    try {
      const preview = await client.plugins.preview(path);
      if (preview.digest === digest) continue;
      if (preview.id !== id) {
        process.stderr.write(
          `The plugin is now called ${printable(preview.id)}: stop this command, and start it again.\n`,
        );
        continue;
      }
      if (await takeUp(client, path, preview, options)) digest = preview.digest;
    } catch (error) {
      // Ctrl-C during a question.
      if (error instanceof Failure && error.exitCode === EXIT.interrupted) throw error;
      // The folder changed again meanwhile: that is the next change.
      if (error instanceof BinnacleError && error.code === 'plugin_changed') continue;
      // A half-written file or a syntax error: the next change may fix it.
      process.stderr.write(describe(error, false));
    }
  }
}

/** Installs the plugin, and asks for consent only to new requests. Returns false if the person refuses. */
async function takeUp(
  client: Binnacle,
  path: string,
  preview: PluginPreview,
  options: Options<'plugin dev'>,
): Promise<boolean> {
  const style = styleFor(process.stderr);
  const needsConsent = preview.replaces === null || preview.widens.length > 0 || preview.inherits !== null;
  if (needsConsent) process.stderr.write(previewText(preview, style));
  const agreed = needsConsent ? await agree(preview, options) : { granted: {}, inherit: undefined };
  if (agreed === undefined) return false;
  process.stderr.write(doneText(await carryOut(client, path, preview, agreed), style));
  return true;
}

async function follow(client: Binnacle, id: string, signal: AbortSignal): Promise<void> {
  const style = styleFor(process.stdout);
  const { next } = await client.plugins.logs(id);
  const write = (line: Parameters<typeof logLine>[0]): void => void process.stdout.write(logLine(line, style));
  try {
    await followLog(client, id, next, write, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
