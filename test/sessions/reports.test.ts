// Hooks of agents that report what a session does, with real gateways, runners and the script that hooks run.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterAll(() => gateway.close());

const shell = (command: string) => gateway.create({ argv: ['/bin/bash', '--norc', '--noprofile', '-c', command] });
const becomes = (id: string, state: string, text: string | null = null): Promise<void> =>
  until(`${id} is ${state}`, async () => {
    const { activity } = await gateway.info(id);
    return activity?.state === state && (text === null || activity.text === text);
  });
/** Returns the hook and the secret that the session's programs are given. */
async function toldOf(id: string): Promise<{ secret: string; hook: string }> {
  const [, hook = '', secret = ''] = /hook=(\S+) secret=(\S+)/.exec(await gateway.seen(id, 'secret=')) ?? [];
  return { hook, secret };
}
const report = (id: string, secret: string, body: object) =>
  gateway.ask(`/v1/sessions/${id}/report`, { body, token: null, headers: { 'binnacle-session-secret': secret } });

const SHOWS_HOOK = 'echo "hook=$BINNACLE_HOOK secret=$BINNACLE_HOOK_SECRET"';
/** Program that calls the hook as an agent does, once for each line that it reads. */
const HOOKED = `${SHOWS_HOOK}
  while read -r agent event; do printf '%s' "$event" | "$BINNACLE_HOOK" "$agent"; done`;
const PERMISSION = '{"hook_event_name":"PermissionRequest","tool_name":"Bash","tool_input":{"command":"ls"}}';

describe('a report from inside of a session', () => {
  it('is its state at once, over a restart of the gateway on another port as well', async () => {
    const { id } = await shell(HOOKED);
    await gateway.seen(id, 'secret=');
    await gateway.input(id, `claude ${PERMISSION}\n`);
    await becomes(id, 'waiting_approval', 'Bash: ls');
    await gateway.input(id, 'claude {"hook_event_name":"Stop"}\n');
    await becomes(id, 'idle');
    const before = gateway.url;
    await gateway.kill();
    await gateway.start(0);
    expect(gateway.url).not.toBe(before);
    await becomes(id, 'idle');
    await gateway.input(id, `qwen ${PERMISSION}\n`);
    await becomes(id, 'waiting_approval', 'Bash: ls');
  });

  it('takes the secret of that session, and that secret does nothing else', async () => {
    const [one, two] = await Promise.all([shell(HOOKED), shell(HOOKED)]);
    const { secret } = await toldOf(one.id);
    const blocked = { state: 'blocked', reason: 'question', text: 'Which\u001b[31m one?' };
    for (const [id, given] of [
      [two.id, secret],
      [one.id, ''],
      [one.id, `${secret}x`],
      [one.id, gateway.token],
    ] as const) {
      expect(await report(id, given, blocked)).toMatchObject({ status: 401, code: 'unauthorized' });
    }
    expect((await gateway.ask(`/v1/sessions/${one.id}`, { token: secret })).status).toBe(401);
    expect((await report(one.id, secret, blocked)).status).toBe(204);
    await becomes(one.id, 'waiting_input', 'Which [31m one?');
    expect((await gateway.info(two.id)).activity?.state).not.toBe('waiting_input');
    expect(await report(one.id, secret, { state: 'asleep' })).toMatchObject({ status: 400, code: 'bad_request' });
    const tooMuch = { state: 'idle', text: 'x'.repeat(20_000) };
    expect(await report(one.id, secret, tooMuch)).toMatchObject({ status: 413, code: 'body_too_large' });
    await gateway.ask(`/v1/sessions/${one.id}`, { method: 'DELETE' });
    expect(await report(one.id, secret, { state: 'idle' })).toMatchObject({ status: 404, code: 'session_not_found' });
  });

  it('counts by when it was sent, however late the one before it came', async () => {
    const { id } = await shell(HOOKED);
    const { secret } = await toldOf(id);
    const at = Date.now();
    await report(id, secret, { state: 'working', at: at - 400 });
    await report(id, secret, { state: 'blocked', text: 'sent before the first one came', at: at - 300 });
    await becomes(id, 'waiting_input', 'sent before the first one came');
    await report(id, secret, { state: 'working', at: at - 200 });
    await becomes(id, 'working', null);
  });

  it('that comes behind a later one is passed over: each is sent by a process of its own', async () => {
    const { id } = await shell(HOOKED);
    const { secret } = await toldOf(id);
    const at = Date.now();
    await report(id, secret, { state: 'blocked', text: 'later', at });
    await report(id, secret, { state: 'working', at: at - 500 });
    expect((await gateway.info(id)).activity).toMatchObject({ state: 'waiting_input', text: 'later' });
    // A clock that was set back does not delay reports for ever.
    await report(id, secret, { state: 'blocked', text: 'by another clock', at: at - 3_600_000 });
    await becomes(id, 'waiting_input', 'by another clock');
    const { activity } = await gateway.info(id);
    await report(id, secret, { state: 'working', at: at - 3_600_500 });
    await report(id, secret, { state: 'blocked', text: 'behind it', at: at - 3_599_999 });
    await becomes(id, 'waiting_input', 'behind it');
    // It has waited all the time.
    expect((await gateway.info(id)).activity?.since).toBe(activity?.since);
  });

  it('that comes behind a later one of the same question adds its words, which only one of two hooks knows', async () => {
    const { id } = await shell(HOOKED);
    const { secret } = await toldOf(id);
    const at = Date.now();
    await report(id, secret, { state: 'blocked', reason: 'permission', at });
    await becomes(id, 'waiting_approval');
    await report(id, secret, { state: 'blocked', reason: 'permission', text: 'touch made.txt', at: at - 20 });
    await becomes(id, 'waiting_approval', 'touch made.txt');
    await report(id, secret, { state: 'blocked', reason: 'permission', text: 'another one', at: at - 30 });
    expect((await gateway.info(id)).activity).toMatchObject({ text: 'touch made.txt' });
  });

  it('of an end of a turn is passed over while the program reports its turns in its terminal: Codex has hidden turns', async () => {
    const { id } = await shell(
      `${SHOWS_HOOK}; while read -r state; do printf '\\033]7501;state=%s\\007' "$state"; done`,
    );
    const { secret } = await toldOf(id);
    await gateway.input(id, 'blocked:kind=permission\n');
    await becomes(id, 'waiting_approval');
    const { activity } = await gateway.info(id);
    expect((await report(id, secret, { state: 'idle', at: Date.now() })).status).toBe(204);
    await gateway.input(id, 'blocked:kind=permission:msg=bGF0ZXI=\n');
    await becomes(id, 'waiting_approval', 'later');
    expect((await gateway.info(id)).activity?.since, 'it was idle in between').toBe(activity?.since);
    // Another program in the same terminal, which reports its turns by hooks alone.
    await report(id, secret, { state: 'working', at: Date.now() });
    await becomes(id, 'working');
    await report(id, secret, { state: 'idle', at: Date.now() });
    await becomes(id, 'idle');
  });

  it('is nothing that an agent waits for or hears of, whether there is a gateway or not', async () => {
    const { id } = await shell(HOOKED);
    const { hook, secret } = await toldOf(id);
    const env = { ...process.env, BINNACLE_HOOK: hook, BINNACLE_HOOK_SECRET: secret, BINNACLE_SESSION: id };
    const run = (input: string, more: object = {}) =>
      execFileSync(hook, ['claude'], { input, env: { ...env, ...more }, encoding: 'utf8' });
    const elsewhere = mkdtempSync(join(tmpdir(), 'binnacle-hook-'));
    try {
      for (const input of ['', 'no JSON', '[]', '{"hook_event_name":"Stop"}', `{"x":"${'y'.repeat(300_000)}"}`]) {
        expect(run(input)).toBe('');
        expect(run(input, { BINNACLE_HOOK: join(elsewhere, 'hook') })).toBe('');
      }
      writeFileSync(join(elsewhere, 'gateway.json'), '{"url":"http://127.0.0.1:9"}');
      expect(run(PERMISSION, { BINNACLE_HOOK: join(elsewhere, 'hook') })).toBe('');
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });
});

describe('binnacle hooks', () => {
  it('installs, says where, and takes away, and shows first what it would write', async () => {
    const home = mkdtempSync(join(tmpdir(), 'binnacle-hooks-'));
    const project = join(home, 'project');
    const settings = join(home, '.gemini/settings.json');
    mkdirSync(project);
    mkdirSync(join(home, '.gemini'));
    writeFileSync(settings, '{ "mine": true } // and this', { mode: 0o640 });
    const hooks = (...args: string[]) => {
      const env = { PATH: '/usr/bin:/bin', HOME: home };
      const ended = spawnSync(process.execPath, [BINARY, 'hooks', ...args], { env, cwd: project, encoding: 'utf8' });
      return { code: ended.status, text: ended.stdout + ended.stderr };
    };
    try {
      expect(hooks('install', '--print').text).toContain('BeforeAgent');
      expect(readFileSync(settings, 'utf8')).toBe('{ "mine": true } // and this');
      // Gemini's settings alone are here.
      expect(hooks('install')).toMatchObject({ code: 0 });
      expect(readFileSync(settings, 'utf8')).toMatch(/"mine": true[\s\S]*AfterAgent[\s\S]*\/\/ and this$/);
      expect(statSync(settings).mode & 0o777).toBe(0o640);
      expect(hooks('install').text).toContain('nothing to do');
      expect(hooks('install', 'opencode', '--project', '--yes').code).toBe(0);
      const status = JSON.parse(hooks('status', '--json').text) as { agent: string; user: string; project: string }[];
      expect(status.find(({ agent }) => agent === 'gemini')).toMatchObject({ user: 'installed', project: 'none' });
      expect(status.find(({ agent }) => agent === 'opencode')).toMatchObject({ user: 'none', project: 'installed' });
      expect(hooks('install', 'codex', '--project')).toMatchObject({ code: 1 });
      expect(hooks('install', 'emacs').text).toContain('claude, codex, gemini, opencode, qwen');
      expect(hooks('uninstall').code).toBe(0);
      // Settings beside ours may be laid out anew.
      expect(readFileSync(settings, 'utf8').replaceAll(/\s+/g, ' ')).toBe('{ "mine": true } // and this');
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
