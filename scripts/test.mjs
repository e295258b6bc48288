// `npm test`: everything that the tests need, then the tests. Arguments go to vitest.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { buildIfNeeded } from './build.mjs';
import { install } from './install.mjs';
import { bin, main, root, run } from './run.mjs';
import { findChromium, findPromtool, findShell, installTools } from './system-tools.mjs';

/** Where more files than this have failed, it was not chance (docs/decisions/018). */
const MOST_TRIED_AGAIN = 3;

/** Runs vitest, prints `N passed, N failed` alone on the last line, and returns the exit code. */
export async function test(args, env = {}) {
  await install();
  await installTools();
  await buildIfNeeded();
  let { code, passed, failed, files } = await vitest(args, env);
  if (passed + failed === 0) console.log('No test was run.');
  if (process.env.CI === 'true' && failed > 0 && files.length <= MOST_TRIED_AGAIN) {
    console.log(`Once more, each alone: ${files.join(' ')}`);
    const again = await vitest(['--no-file-parallelism', ...files], env);
    if (again.code === 0) {
      console.log(
        `UNSTEADY: ${failed} failed beside the other tests and passed alone. There is a race in ${files.join(' ')}`,
      );
      console.log('or in what that tests; the failure is shown above. Mend it.');
      ({ code } = again);
      passed += failed;
      failed = 0;
    }
  }
  // Vitest also fails for what happens outside of any test, e.g. a rejection that nobody handles.
  const outside = code !== 0 && failed === 0 && passed > 0 ? 1 : 0;
  if (outside > 0) console.log('An error outside of the tests counts as one failure; it is shown above.');
  console.log(`${passed} passed, ${failed + outside} failed`);
  return code !== 0 ? code : failed > 0 || passed === 0 ? 1 : 0;
}

async function vitest(args, env) {
  const scratch = mkdtempSync(join(tmpdir(), 'binnacle-test-'));
  const report = join(scratch, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const tools = {
    BINNACLE_CHROMIUM: findChromium(),
    BINNACLE_CHROMIUM_SHELL: findShell(),
    BINNACLE_PROMTOOL: findPromtool(),
  };
  const code = await run(bin('vitest'), ['run', ...reporters, ...args], {
    env: { ...process.env, ...tools, ...env },
  });
  const counted = count(report);
  rmSync(scratch, { recursive: true, force: true });
  return { code, ...counted };
}

function count(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, files: [] }; // vitest ended before it could write one; its exit code says why
  }
  // A file that could not be loaded has no failed test, but is a failure.
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  );
  const failed = report.testResults.filter(({ status }) => status === 'failed');
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    files: failed.map(({ name }) => relative(root, name)),
  };
}

await main(import.meta, test);
