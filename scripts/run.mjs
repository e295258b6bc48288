// Runs programs for the other scripts. Knows no step of the build.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The path of a program that a dependency of the workspace brings. */
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Whether this file is the one that was started, and not imported by another. */
export const isMain = (meta) => process.argv[1] !== undefined && meta.url === pathToFileURL(process.argv[1]).href;

/** Starts a program in the root with inherited stdio and resolves with its exit code (128 + n for a signal). */
export function run(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
  // A terminal sends Ctrl-C to the whole group, so the child has it already: only outlive it, and pass on what
  // was sent to us alone.
  const forward = (signal) => child.kill(signal);
  const stay = () => {};
  process.on('SIGINT', stay);
  process.on('SIGTERM', forward);
  process.on('SIGHUP', forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', stay);
      process.off('SIGTERM', forward);
      process.off('SIGHUP', forward);
      resolve(signal === null ? code : 128 + constants.signals[signal]);
    });
  });
}

/** The same, but a failure ends this process with that code. */
export async function must(command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) process.exit(code);
}

/** Calls `main` and turns what it returns into the exit code. */
export async function main(meta, body) {
  if (!isMain(meta)) return;
  try {
    process.exitCode = (await body(process.argv.slice(2))) ?? 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
