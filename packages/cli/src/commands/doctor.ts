// `binnacle doctor`: searches for problems of the installation and names remedies. Changes nothing, except for a
// requested rebuild of the index or the catalogue.

import type { Options } from '../declarations/commands.ts';
import { CHECKS, type Finding } from '../doctor/checks.ts';
import { dataDir } from '../gateway/address.ts';
import { EXIT } from '../output/failure.ts';
import { styleFor } from '../output/style.ts';

export async function doctor(options: Options<'doctor'>): Promise<number> {
  if (options.rebuildIndex === true) return await (await import('../doctor/rebuild-index.ts')).rebuildIndex(options);
  if (options.rebuildCatalogue === true) {
    return await (await import('../doctor/rebuild-catalogue.ts')).rebuildCatalogue(options);
  }
  const dir = dataDir(options.data);
  const findings: (Finding & { readonly name: string })[] = [];
  for (const [name, check] of Object.entries(CHECKS)) findings.push({ name, ...(await runCheck(check, dir)) });
  const failed = findings.filter(({ state }) => state === 'fail').length;
  if (options.json === true) process.stdout.write(`${JSON.stringify({ ok: failed === 0, data: dir, findings })}\n`);
  else process.stdout.write(report(findings));
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

/** Runs a check; a check that throws is a finding, too. */
async function runCheck(check: (dir: string) => Finding | Promise<Finding>, dir: string): Promise<Finding> {
  try {
    return await check(dir);
  } catch (error) {
    return { state: 'fail', detail: error instanceof Error ? error.message : String(error), hint: hintOf(error) };
  }
}

const hintOf = (error: unknown): string | undefined =>
  error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined;

function report(findings: readonly (Finding & { readonly name: string })[]): string {
  const { green, yellow, red, dim } = styleFor(process.stdout);
  const marks = { ok: green('ok  '), warn: yellow('warn'), fail: red('fail') };
  return findings
    .map(({ name, state, detail, hint }) => {
      const line = `${marks[state]}  ${name.padEnd(18)} ${detail}\n`;
      return state === 'ok' || hint === undefined ? line : `${line}      ${' '.repeat(18)} ${dim(hint)}\n`;
    })
    .join('');
}
