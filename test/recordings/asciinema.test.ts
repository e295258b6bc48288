// Debian's asciinema (2.2.0) plays what is exported as version 2, in a real terminal.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { exported, imported } from './recordings.fixture.ts';

const binary = fileURLToPath(new URL('../../packages/cli/dist/binnacle.mjs', import.meta.url));
const PLAYER = '/usr/bin/asciinema';

let gateway: Gateway;
let commands: Commands;
let id: string;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-asciinema-'));
const at = (name: string): string => join(dir, name);
beforeAll(async () => {
  gateway = await openGateway();
  commands = new Commands(binary, { BINNACLE_DATA: gateway.dir });
  const command = `printf '\\033[32mgreen\\033[0m'; sleep 0.2; printf ' wörld\\n'; exit 3`;
  ({ id } = await gateway.client.sessions.create({ command, name: 'build' }));
  await (await gateway.fetch(`/v1/sessions/${id}/output?follow=1`)).text();
});
afterEach(() => commands.end());
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

inAll('export --cast 2 writes times from the beginning, and version 3 stays what is written without it', async () => {
  expect((await commands.run(['export', '--cast', '2', 'build', '-o', at('two.cast')])).code).toBe(0);
  const [header, ...events] = linesOf(at('two.cast'));
  expect(header).toMatchObject({ version: 2, width: 80, height: 24, title: 'build', env: { TERM: 'xterm-256color' } });
  const times = events.map(([time]: [number]) => time);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.at(-1)).toBeGreaterThanOrEqual(0.2);
  expect(events.at(-1)).toEqual([expect.any(Number), 'm', 'exit code 3']);
  for (const args of [
    ['export', 'build', '-o', at('three.cast')],
    ['export', '--cast', 'build', '--force', '-o', at('three.cast')],
  ]) {
    expect((await commands.run(args)).code).toBe(0);
    expect(linesOf(at('three.cast'))[0]).toMatchObject({ version: 3, term: { cols: 80, rows: 24 } });
  }
  expect(await commands.run(['export', '--cast', '4', 'build'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('--cast 2'),
  });
});

it('the version is of asciicast alone', async () => {
  expect((await gateway.fetch(`/v1/sessions/${id}/export?format=text&version=2`)).status).toBe(400);
  expect((await gateway.fetch(`/v1/sessions/${id}/export?version=1`)).status).toBe(400);
});

it.skipIf(!existsSync(PLAYER))('asciinema 2 plays it, and prints what it shows', async () => {
  await commands.run(['export', '--cast', '2', 'build', '--force', '-o', at('two.cast')]);
  // `script` gives it a terminal, as a person has one, and fails as it does.
  const run = async (args: string) =>
    (await promisify(execFile)('script', ['-qec', `${PLAYER} ${args}`, '/dev/null'], { timeout: 10_000 })).stdout;
  expect(await run(`cat ${at('two.cast')}`)).toContain('\u001b[32mgreen\u001b[0m wörld');
  expect(await run(`play -s 10 ${at('two.cast')}`)).toContain('\u001b[32mgreen\u001b[0m wörld');
  writeFileSync(at('three.cast'), await exported(gateway, id));
  await expect(run(`cat ${at('three.cast')}`)).rejects.toThrow();
});

it('what was exported as version 2 comes back as the same output', async () => {
  const { session, recording } = await imported(gateway, await exported(gateway, id, '?version=2'));
  expect(recording).toMatchObject({ version: 2, skipped: 0, timesMended: 0 });
  expect(await (await gateway.fetch(`/v1/sessions/${session.id}/output`)).text()).toBe(
    '\u001b[32mgreen\u001b[0m wörld\r\n',
  );
});
