// `npm test`: everything that the tests need, then the tests. Arguments go to vitest.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfNeeded } from './build.mjs';
import { install } from './install.mjs';
import { bin, main, run } from './run.mjs';
import { findChromium, findShell, installTools } from './system-tools.mjs';

/** Runs vitest, prints `N passed, N failed` alone on the last line, and returns the exit code. */
export async function test(args, env = {}) {
  await install();
  await installTools();
  await buildIfNeeded();
  const scratch = mkdtempSync(join(tmpdir(), 'binnacle-test-'));
  const report = join(scratch, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const browsers = { BINNACLE_CHROMIUM: findChromium(), BINNACLE_CHROMIUM_SHELL: findShell() };
  const code = await run(bin('vitest'), ['run', ...reporters, ...args], {
    env: { ...process.env, ...browsers, ...env },
  });
  const { passed, failed } = count(report);
  rmSync(scratch, { recursive: true, force: true });
  if (passed + failed === 0) console.log('No test was run.');
  // Vitest also fails for what happens outside of any test, e.g. a rejection that nobody handles.
  const outside = code !== 0 && failed === 0 && passed > 0 ? 1 : 0;
  if (outside > 0) console.log('An error outside of the tests counts as one failure; it is shown above.');
  console.log(`${passed} passed, ${failed + outside} failed`);
  return code !== 0 ? code : failed > 0 || passed === 0 ? 1 : 0;
}

function count(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 0 }; // vitest ended before it could write one; its exit code says why
  }
  // A file that could not be loaded has no failed test, but is a failure.
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length };
}

await main(import.meta, test);
