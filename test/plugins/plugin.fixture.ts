// Plugins in folders of their own and hosts around them. Everything is real: processes, walls, sockets.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { BinnacleError } from '@binnacle/protocol';
import { PluginHost, type PluginHostOptions } from '../../packages/server/src/plugins/host/host.ts';
import { probeSandbox, type Sandbox } from '../../packages/server/src/plugins/host/sandbox.ts';
import type { AfterStop, StopReason } from '../../packages/server/src/plugins/host/stop-reason.ts';

export const RUNTIME_SCRIPT = resolve(import.meta.dirname, '../../packages/server/dist/plugin-runtime.mjs');

export interface Stop {
  readonly reason: StopReason;
  readonly next: AfterStop;
  /** Since the fixture was made, in ms. */
  readonly at: number;
}

/** What this machine has: asked once for each Node in a test file. */
const sandboxes = new Map<string, Promise<Sandbox>>();

export function sandboxOf(node: string = process.execPath, path?: string): Promise<Sandbox> {
  const key = `${node}|${path ?? 'PATH'}`;
  const known = sandboxes.get(key) ?? probeSandbox({ node, ...(path === undefined ? {} : { path }) });
  sandboxes.set(key, known);
  return known;
}

export class Plugins {
  readonly root = mkdtempSync(join(tmpdir(), 'binnacle-plugins-'));
  readonly #hosts: PluginHost[] = [];
  #made = 0;

  /** A folder with these files. */
  folder(name: string, files: Readonly<Record<string, string>>): string {
    const dir = join(this.root, name);
    mkdirSync(dir, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
    return dir;
  }

  async host(options: Partial<PluginHostOptions> & { readonly source?: string; readonly id?: string }) {
    const { source, ...given } = options;
    // Counted at once: those that are made beside each other must not share a folder.
    const id = options.id ?? `p${this.#made}`;
    this.#made += 1;
    const stops: Stop[] = [];
    const output: string[] = [];
    const broke: unknown[] = [];
    const dir = options.dir ?? this.folder(id, { 'plugin.mjs': source ?? '' });
    const host = new PluginHost({
      entry: 'plugin.mjs',
      policy: { mayUseAnyHost: false, allowRestricted: true, trusted: false },
      sandbox: options.sandbox ?? (await sandboxOf()),
      runtimeScript: RUNTIME_SCRIPT,
      call: async (method, params) => ({ method, params }),
      ...given,
      id,
      dir,
      stopped: (reason, next) => {
        stops.push({ reason, next, at: performance.now() });
        options.stopped?.(reason, next);
      },
      output: (stream, text) => output.push(`${stream}: ${text}`),
      broke: (error) => broke.push(error),
    });
    this.#hosts.push(host);
    return { host, stops, output, broke, dir };
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    // It has gone, maybe while we read.
    return false;
  }
};

/** A process and all below it: what bubblewrap is asked to run is not what the host launched. */
export function treeOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
    return [pid, ...children.flatMap(treeOf)];
  } catch {
    return [pid];
  }
}

export const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return (error as BinnacleError).code;
  }
};
