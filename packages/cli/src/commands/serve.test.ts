import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Commands } from '../../../../test/support/commands.ts';
import { count, inAll } from '../../../../test/support/count.ts';
import { tempDir } from '../../../../test/support/temp-dir.ts';
import { until } from '../../../../test/support/until.ts';

/** As it is installed: `npm test` builds it before. */
const binary = fileURLToPath(new URL('../../dist/binnacle.mjs', import.meta.url));

let data: string;
let gateway: Serving;
let commands: Commands;

interface Serving {
  readonly child: ChildProcess;
  readonly ready: { url: string; pid: number; data: string; version: string };
}

async function serve(): Promise<Serving> {
  const env = { ...process.env, BINNACLE_TOKEN: '', BINNACLE_URL: '' };
  const child = spawn(process.execPath, [binary, 'serve', '--json', '--port', '0', '--data', data], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  await until('the line that says it is ready', () => out.includes('\n'));
  return { child, ready: JSON.parse(out) };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)));

beforeAll(async () => {
  expect(existsSync(binary), 'not built: npm run build').toBe(true);
  data = tempDir('serve');
  gateway = await serve();
  commands = new Commands(binary, { BINNACLE_DATA: data });
});
afterEach(() => commands.end());
afterAll(async () => {
  const { sessions } = (await (await ask('/v1/sessions?limit=1000')).json()) as { sessions: { id: string }[] };
  for (const { id } of sessions) await ask(`/v1/sessions/${id}`, 'DELETE');
  gateway.child.kill('SIGTERM');
  await ended(gateway.child);
  for (const pid of runnerPids()) process.kill(pid, 'SIGTERM');
});

/** A request as the admin, where another test proves the command for it. */
function ask(path: string, method = 'GET', body?: object, token?: string): Promise<Response> {
  const admin = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  return fetch(gateway.ready.url + path, {
    method,
    headers: { authorization: `Bearer ${token ?? admin}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function start(spec: object): Promise<string> {
  return ((await (await ask('/v1/sessions', 'POST', spec)).json()) as { id: string }).id;
}

/** Runners outlive their gateway, but not this test. */
function runnerPids(): number[] {
  return readdirSync(join(data, 'runners'))
    .map((id) => join(data, 'runners', id, 'runner.json'))
    .filter((path) => existsSync(path))
    .map((path) => (JSON.parse(readFileSync(path, 'utf8')) as { pid: number }).pid)
    .filter((pid) => existsSync(`/proc/${pid}`));
}

describe('mute', () => {
  it('keeps sessions and conversations quiet for this user until unmute, and none where one of them is not there', async () => {
    await ask('/v1/conversations', 'POST', { key: 'agent:main:muted' });
    const muted = async () => (await ask('/v1/mutes')).json();
    const id = await start({ argv: ['cat'], name: 'noisy' });
    expect((await commands.run(['mute', 'noisy', 'no-such-session'])).code).toBe(5);
    expect(await muted()).toEqual({ sessions: [], conversations: [] });
    expect(await commands.run(['mute', 'noisy', 'agent:main:muted'])).toMatchObject({
      code: 0,
      err: 'Muted noisy.\nMuted agent:main:muted.\n',
    });
    expect(await muted()).toEqual({ sessions: [id], conversations: ['agent:main:muted'] });
    expect((await commands.run(['complete', '--', 'unmute', ''])).out).toContain('noisy');
    expect((await commands.run(['unmute', id, 'agent:main:muted'])).code).toBe(0);
    expect(await muted()).toEqual({ sessions: [], conversations: [] });
    expect((await commands.run(['kill', id])).code).toBe(0);
  });
});

describe('run', () => {
  it('keeps stdout and stderr apart and ends with the program’s code', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    expect(await commands.run(['run', '--pipe', '--', 'sh', '-c', script])).toMatchObject({
      code: 3,
      out: 'out\n',
      err: 'err\n',
    });
  });

  it('feeds what comes on stdin, whole', async () => {
    const input = 'line of input\n'.repeat(100_000);
    const { code, out } = await commands.run(['run', '--pipe', '--', 'sha256sum'], {}, input);
    expect({ code, out }).toEqual({ code: 0, out: `${createHash('sha256').update(input).digest('hex')}  -\n` });
  });

  it('loses nothing of a program that ends at once', async () => {
    const numbers = Array.from({ length: count({ quick: 2, all: 5 }) }, (_, n) => `number ${n}`);
    const runs = await Promise.all(numbers.map((number) => commands.run(['run', '--', 'echo', number])));
    expect(runs.map(({ out }) => out)).toEqual(numbers.map((number) => `${number}\r\n`));
  });

  inAll('says nothing of the lease, which ends with its program', async () => {
    const run = () => commands.run(['run', '--', 'sh', '-c', 'echo hello; sleep 0.3; exit 3']);
    for (const { code, err } of [await run(), await run(), await run(), await run()])
      expect({ code, err }).toEqual({ code: 3, err: '' });
  });

  it('says 128 + n for a signal, and 127 for a program that is not there', async () => {
    expect(await commands.run(['run', '--', 'sh', '-c', 'kill -9 $$'])).toMatchObject({ code: 137 });
    expect(await commands.run(['run', '--', 'no-such-program'])).toMatchObject({ code: 127 });
  });

  it('gives a shell that can be left and found again', async () => {
    const first = await commands.inTerminal('$B run --name work -- bash --norc --noprofile');
    await until('the prompt', () => first.text().includes('$ ') || first.text().includes('# '));
    first.type('stty size; MARK=$((6*7))\r');
    await until('the size of this terminal', () => first.text().includes('30 100'));
    first.type('\x1c');
    await until('the detached shell', () => first.text().includes('done'));
    const second = await commands.inTerminal('$B attach work');
    await until('the history', () => second.text().includes('30 100'));
    second.type('echo mark=$MARK; exit 5\r');
    await until('the end', () => second.text().includes('done'));
    expect(second.text()).toContain('mark=42');
    expect(second.text()).toContain('code=5');
    expect(second.text()).not.toContain('-icanon');
  });

  it('sends Ctrl-C to a program on pipes as a signal', async () => {
    const screen = await commands.inTerminal(
      `$B run --pipe -- sh -c 'trap "echo caught; exit 9" INT; echo up; while :; do sleep 0.1; done'`,
    );
    await until('the program', () => screen.text().includes('up'));
    screen.type('\x03');
    await until('the end', () => screen.text().includes('code='));
    expect(screen.text()).toMatch(/caught[\s\S]*code=9/);
  });
});

describe('tail', () => {
  it('prints what was written, without what could harm, and raw if wanted', async () => {
    const script = String.raw`printf 'a\033[31mred\033[0m\033]52;c;eA==\007\n'`;
    const id = await start({ argv: ['sh', '-c', script], name: 'painter' });
    await until('it has ended', async () => {
      const { state } = (await (await ask(`/v1/sessions/${id}`)).json()) as { state: string };
      return state === 'closed';
    });
    expect((await commands.run(['tail', 'painter'])).out).toBe('a\x1b[31mred\x1b[0m\r\n');
    expect((await commands.run(['tail', '--raw', '--since', '1', 'painter'])).out).toContain('\x1b]52;c;eA==\x07');
  });

  it('follows until the program has ended', async () => {
    const id = (
      await commands.run(['run', '--no-attach', '--', 'sh', '-c', 'echo one; sleep 0.3; echo two'])
    ).out.trim();
    expect(await commands.run(['tail', '-f', id])).toMatchObject({ code: 0, out: 'one\r\ntwo\r\n' });
  });

  inAll('refuses an offset ahead of the head', async () => {
    const id = await start({ argv: ['echo', 'short'] });
    expect(await commands.run(['tail', '--since', '99999', id])).toMatchObject({ code: 1 });
  });
});

describe('serve', () => {
  it('says where it is in one line of JSON', () => {
    expect(gateway.ready).toMatchObject({ pid: gateway.child.pid, data });
    expect(gateway.ready.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('refuses a second gateway on the same data', async () => {
    const second = await commands.run(['serve', '--port', '0', '--data', data]);
    expect(second.code).toBe(1);
    expect(second.err).toContain('Another gateway uses this data directory');
  });

  it('stops in time on a signal, while programs go on for the next gateway', async () => {
    await start({ argv: ['sleep', '1000'], name: 'survivor' });
    const exit = ended(gateway.child);
    gateway.child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(await commands.run(['ls'])).toMatchObject({ code: 3 });
    gateway = await serve();
    const { out } = await commands.run(['ls', '--json', '--running']);
    expect(JSON.parse(out)).toMatchObject({ sessions: [{ name: 'survivor', state: 'running' }] });
  });

  it('gives tokens to users, and lists whose they are', async () => {
    const made = await commands.run(['token', 'create', 'laptop', '--user', 'ann', '--json']);
    const { id, token, user } = JSON.parse(made.out) as { id: string; token: string; user: string };
    expect(user).toBe('ann');
    const { out } = await commands.run(['token', 'ls']);
    expect(out.split('\n')[0]).toMatch(/ID +SCOPE +AGE +EXPIRES +USER +MADE BY +NAME/);
    expect(out.split('\n').find((line) => line.startsWith(id))).toMatch(/ ann +admin +laptop *$/);
    expect((await ask('/v1/sessions', 'GET', undefined, token)).status).toBe(200);
    const refused = await commands.run(['token', 'create', 'other', '--user', 'admin']);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('reserved');
    await ask(`/v1/tokens/${id}`, 'DELETE');
  });

  it('gives tokens that allow what they say and no more', async () => {
    const { out } = await commands.run(['token', 'create', 'guest', '--scope', 'view', '--json']);
    const { id, token } = JSON.parse(out) as { id: string; token: string };
    const guest = { BINNACLE_URL: gateway.ready.url, BINNACLE_TOKEN: token };
    expect(await commands.run(['ls'], guest)).toMatchObject({ code: 0 });
    expect(await commands.run(['run', '--', 'true'], guest)).toMatchObject({ code: 4 });
    expect(await commands.run(['token', 'revoke', id])).toMatchObject({ code: 0 });
    expect((await ask('/v1/sessions', 'GET', undefined, token)).status).toBe(401);
  });

  it('gives a login link that works once', async () => {
    const { out } = await commands.run(['token', 'link']);
    const ticket = /#ticket=(\S+)/.exec(out)?.[1];
    const login = (): Promise<Response> =>
      fetch(`${gateway.ready.url}/v1/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ticket }),
      });
    expect((await login()).status).toBe(200);
    expect((await login()).status).toBe(401);
  });
});

it('serve goes on when nobody can write down what it logs', async () => {
  const dir = tempDir('serve');
  const full = openSync('/dev/full', 'w');
  const args = [binary, 'serve', '--json', '--port', '0', '--data', dir, '--log-level', 'debug'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', full] });
  closeSync(full);
  try {
    let out = '';
    child.stdout?.on('data', (chunk) => {
      out += String(chunk);
    });
    await until('the line that says it is ready', () => out.includes('\n'));
    const { url } = JSON.parse(out) as { url: string };
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) });
      expect(answer.status).toBe(200);
    }
    const over = ended(child);
    child.kill('SIGTERM');
    expect(await over).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
});
