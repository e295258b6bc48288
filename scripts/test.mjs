// `npm test`: everything that the tests need, then the tests. Arguments go to vitest.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { buildIfNeeded } from './build.mjs';
import { install } from './install.mjs';
import { bin, main, root, run } from './run.mjs';
import { findChromium, findPromtool, findShell, installTools } from './system-tools.mjs';

/** A test takes at most so long in `npm test`; its long version is for `npm run test:all` (test/support/count.ts). */
const LONG_MS = 2000;
const MOST_LONG_SHOWN = 40;

/** Runs vitest, prints `N passed, N failed` alone on the last line, and returns the exit code. */
export async function test(args, env = {}) {
  await install();
  await installTools(env.BINNACLE_ALL !== undefined);
  await buildIfNeeded();
  const { code, passed, failed, left } = await vitest(args, env);
  if (passed + failed === 0) console.log('No test was run.');
  // Vitest also fails for what happens outside of any test, e.g. a rejection that nobody handles.
  const outside = code !== 0 && failed === 0 && passed > 0 ? 1 : 0;
  if (outside > 0) console.log('An error outside of the tests counts as one failure; it is shown above.');
  const leftovers = left.length > 0 ? 1 : 0;
  if (leftovers > 0) console.log(`Left in the temporary directory, counted as one failure: ${left.join(' ')}`);
  console.log(`${passed} passed, ${failed + outside + leftovers} failed`);
  return code !== 0 ? code : failed + leftovers > 0 || passed === 0 ? 1 : 0;
}

async function vitest(args, env) {
  const scratch = mkdtempSync(join(tmpdir(), 'bt-'));
  const report = join(scratch, 'report.json');
  // A temporary directory of this run, open to all like the machine's: what is in it at the end, a test has left.
  const temporary = join(scratch, 't');
  mkdirSync(temporary);
  chmodSync(scratch, 0o755);
  chmodSync(temporary, 0o1777);
  // An empty home: what a person's shells do at their start is not under test, and can take seconds.
  const home = join(scratch, 'home');
  mkdirSync(home);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const tools = {
    BINNACLE_CHROMIUM: findChromium(),
    BINNACLE_CHROMIUM_SHELL: findShell(),
    BINNACLE_PROMTOOL: findPromtool(),
  };
  const code = await run(bin('vitest'), ['run', ...reporters, ...args], {
    env: { ...process.env, ...tools, ...npmOf(homedir()), ...env, TMPDIR: temporary, HOME: home },
  });
  const counted = count(report);
  const left = readdirSync(temporary).filter((name) => !isOfTools(name));
  rmSync(scratch, { recursive: true, force: true });
  if (env.BINNACLE_ALL === undefined && env.BINNACLE_SOAK === undefined) reportLong(counted.tests);
  return { code, left: left.sort(), ...counted };
}

/** Lets npm, where a test runs it, keep its cache and its settings. */
const npmOf = (home) => ({
  npm_config_cache: process.env.npm_config_cache ?? join(home, '.npm'),
  npm_config_userconfig: process.env.npm_config_userconfig ?? join(home, '.npmrc'),
});

/**
 * Vitest has a folder of its own there, named by 21 random characters. Playwright removes the profile of a browser that
 * ends with its worker, while the browser may still write to it.
 */
const isOfTools = (name) => /^[\w-]{21}$|^playwright_chromiumdev_profile-/.test(name);

/** Prints the tests that took longer than a test should. */
function reportLong(tests) {
  const long = tests.filter(({ ms }) => ms > LONG_MS).sort((a, b) => b.ms - a.ms);
  if (long.length === 0) return;
  console.log(`${long.length} tests took longer than ${LONG_MS / 1000} s:`);
  for (const { ms, file, name } of long.slice(0, MOST_LONG_SHOWN)) {
    console.log(`  ${(ms / 1000).toFixed(1).padStart(5)} s  ${file}  ${name}`);
  }
  if (long.length > MOST_LONG_SHOWN) console.log(`  and ${long.length - MOST_LONG_SHOWN} more`);
}

function count(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, tests: [] }; // vitest ended before it could write one; its exit code says why
  }
  // A file that could not be loaded has no failed test, but is a failure.
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    tests: report.testResults.flatMap((file) =>
      file.assertionResults.map(({ duration, fullName }) => ({
        ms: duration ?? 0,
        file: relative(root, file.name),
        name: fullName,
      })),
    ),
  };
}

await main(import.meta, test);
