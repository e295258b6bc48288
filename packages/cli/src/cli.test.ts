import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Commands } from '../../../test/support/commands.ts';
import { inAll, some } from '../../../test/support/count.ts';
import { until } from '../../../test/support/until.ts';
import { TestGateway, type TestSession } from '../../client/test/test-gateway.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

let dir: string;
let binary: string;
let gateway: TestGateway;
let session: TestSession;
let commands: Commands;

/** The binary as it is built, but of the sources as they are now, and without the gateway, which has its own tests. */
beforeAll(async () => {
  // Below node_modules, so that the packages outside of the bundle are found.
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  dir = mkdtempSync(join(cache, 'cli-test-'));
  const bundle = await rolldown({
    input: { binnacle: join(root, 'packages/cli/src/main.ts') },
    platform: 'node',
    external: [/^@binnacle\/server(\/|$)/, '@binnacle/protocol'],
    resolve: {
      alias: {
        '@binnacle/emit': join(root, 'packages/emit/src/index.ts'),
        '@binnacle/client': join(root, 'packages/client/src/index.ts'),
      },
    },
  });
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].mjs' });
  await bundle.close();
  binary = join(dir, 'binnacle.mjs');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

beforeEach(async () => {
  gateway = await TestGateway.start();
  session = gateway.session();
  const token = 'bn_test_token_of_the_test_gateway_000000';
  commands = new Commands(binary, { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: token });
});
afterEach(async () => {
  commands.end();
  await gateway.stop();
});

const appendAndFlush = (kind: 'tty', text: string): void => {
  session.append(kind, text);
  gateway.flush();
};

describe('attach', () => {
  it('shows what there is, sends what is typed, and leaves the program running when the detach key is pressed', async () => {
    session.append('tty', 'history\r\n');
    const { text, type } = await commands.inTerminal('$B attach test');
    await until('the history', () => text().includes('history'));
    appendAndFlush('tty', 'live\r\n');
    await until('live output', () => text().includes('live'));
    type('ls\r\x03');
    await until('the input, Ctrl-C included', () => session.input === 'ls\r\x03');
    type('\x1c');
    await until('the shell', () => text().includes('done'));
    expect(text()).toContain('detached; the program keeps running');
    expect(text()).toContain('code=0');
    expect(session.isEnded).toBe(false);
    expect(session.lease).toBeNull();
  });

  it('puts the terminal back when it detaches from a full-screen program', async () => {
    const { text, type } = await commands.inTerminal('$B attach test');
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    appendAndFlush('tty', '\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?25lMENU');
    await until('the menu', () => text().includes('MENU'));
    type('\x1b[92;5u'); // the detach key of a terminal in kitty mode
    await until('the shell', () => text().includes('done'));
    expect(text()).toContain('\x1b[?1000l\x1b[?2004l\x1b[?25h\x1b[?1049l');
    expect(text()).toMatch(/\bicanon echo done|\becho icanon done/);
    expect(text()).not.toContain('-icanon');
  });

  it('puts the terminal back when it is terminated', async () => {
    const { text } = await commands.inTerminal(`sh -c 'echo "pid=$$;"; exec $B attach test'`);
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    appendAndFlush('tty', '\x1b[?1049hMENU');
    await until('the menu', () => text().includes('MENU'));
    process.kill(Number(/pid=(\d+);/.exec(text())?.[1]), 'SIGTERM');
    await until('the shell', () => text().includes('done'));
    expect(text()).toContain('\x1b[?1049l');
    expect(text()).toContain('code=143');
    expect(text()).not.toContain('-icanon');
  });

  it('ends with the code of the program, after its last byte', async () => {
    const { text } = await commands.inTerminal('$B attach test');
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    session.append('tty', 'last words\r\n');
    session.append('exit', { exitCode: 7, signal: null });
    session.append('closed', { reason: 'eof' });
    session.isEnded = true;
    gateway.flush();
    await until('the shell', () => text().includes('done'));
    expect(text()).toMatch(/last words[\s\S]*code=7/);
  });

  it('says 128 + n when a signal ended the program, and does not wait for background processes', async () => {
    const { text } = await commands.inTerminal('$B attach test');
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    session.append('exit', { exitCode: null, signal: 'SIGKILL' });
    gateway.flush();
    await until('the shell', () => text().includes('done'));
    expect(text()).toContain('code=137');
    expect(text()).toContain('background processes keep running');
  });

  it('only watches while another client is in control, and says who', async () => {
    session.lease = { holder: 'anna', fence: 1, expiresInMs: 60_000, secret: 's' };
    const { text, type } = await commands.inTerminal('$B attach test');
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    type('rm -rf /\r');
    appendAndFlush('tty', 'still here');
    await until('the output', () => text().includes('still here'));
    type('\x03');
    await until('the shell', () => text().includes('done'));
    expect(text()).toContain('anna is in control; only watching');
    expect(text().match(/keys are not sent/g)).toHaveLength(1);
    expect(session.input).toBe('');
  });

  it('goes on by itself when the connection was cut, with nothing missing or doubled', async () => {
    const { text } = await commands.inTerminal('$B attach test');
    await until('the subscription', () => gateway.received.some((frame) => frame.t === 'subscribe'));
    appendAndFlush('tty', 'one ');
    await until('the first word', () => text().includes('one'));
    gateway.cutAll();
    session.append('tty', 'two ');
    await until('the second connection', () => gateway.history.length === 2);
    appendAndFlush('tty', 'three.');
    await until('the third word', () => text().includes('three.'));
    expect(text().match(/one |two |three\./g)).toEqual(['one ', 'two ', 'three.']);
  });
});

describe('commands', () => {
  it('list sessions for people and for scripts', async () => {
    const people = await commands.run(['ls']);
    expect(people.out).toMatch(/ID\s+STATE\s+NAME[\s\S]*running\s+test/);
    expect(people.out).not.toContain('\x1b');
    const scripts = await commands.run(['ls', '--json']);
    expect(JSON.parse(scripts.out)).toMatchObject({ sessions: [{ id: session.id }] });
  });

  it('send text, Enter and stdin', async () => {
    expect(await commands.run(['send', 'test', 'make', 'all', '--enter'])).toMatchObject({ code: 0 });
    expect(session.input).toBe('make all\r');
    const piped = await commands.run(['send', session.id, '--stdin', '--json'], {}, 'ümlaut');
    expect(JSON.parse(piped.out)).toMatchObject({ accepted: 7 });
    expect(session.input).toBe('make all\rümlaut');
  });

  it('take control with --take while they send, and give it back', async () => {
    session.lease = { holder: 'anna', fence: 1, expiresInMs: 60_000, secret: 's' };
    expect(await commands.run(['send', 'test', 'mine', '--take'])).toMatchObject({ code: 0 });
    expect(await commands.run(['signal', 'test', 'int', '--take'])).toMatchObject({ code: 0 });
    const asked = gateway.received.filter((frame) => frame.t === 'lease');
    expect(asked.map(({ action }) => action)).toEqual(['take', 'release', 'take', 'release']);
    expect(session.input).toBe('mine');
    expect(session.lease).toBeNull();
  });

  it('send signals', async () => {
    expect(await commands.run(['signal', 'test', 'int'])).toMatchObject({ code: 0 });
    expect(gateway.received).toContainEqual(expect.objectContaining({ t: 'signal', signal: 'SIGINT' }));
  });

  const WRONG: readonly (readonly [string, readonly string[], number])[] = [
    ['wrong usage', ['signal', 'test', 'SIGNOPE'], 2],
    ['an unknown option', ['ls', '--nope'], 2],
    ['a file of no known format', ['export', 'test', '-o', '/nowhere/test.zip'], 2],
    ['an unknown command', ['nope'], 2],
    ['no such session', ['signal', 'nope', 'INT'], 5],
  ];
  it.each(some(WRONG, 3))('end with the right code: %s', async (_, args, code) => {
    const result = await commands.run(args);
    expect(result.code).toBe(code);
    expect(result.err).not.toMatch(/\n\s+at /);
  });

  it('end with 4 when the gateway refuses the token', async () => {
    gateway.deny = 'unauthorized';
    const result = await commands.run(['ls']);
    expect(result).toMatchObject({ code: 4, out: '' });
    expect(result.err).toContain('no valid token');
  });

  it('end with 3 when there is no gateway, and say what to do', async () => {
    const nowhere = await commands.run(['ls', '--data', join(dir, 'nowhere')], { BINNACLE_TOKEN: '' });
    expect(nowhere.code).toBe(3);
    expect(nowhere.err).toContain('binnacle serve');
  });

  inAll('end with 3 when no gateway listens at an address', async () => {
    expect(await commands.run(['ls'], { BINNACLE_URL: 'http://127.0.0.1:9' })).toMatchObject({ code: 3 });
  });

  it('list tokens by the name that it has elsewhere as well', async () => {
    for (const name of some(['list', 'ls'], 1)) {
      await commands.run(['token', name]);
      expect(gateway.requests.at(-1)?.url).toBe('/v1/tokens');
    }
  });

  it('find the gateway of a data directory', async () => {
    const data = mkdtempSync(join(tmpdir(), 'binnacle-cli-'));
    const token = 'bn_0123456789012345678901234567890123456789';
    writeFileSync(join(data, 'gateway.json'), JSON.stringify({ url: gateway.url, pid: process.pid }), { mode: 0o600 });
    writeFileSync(join(data, 'admin.token'), `${token}\n`, { mode: 0o600 });
    const result = await commands.run(['ls', '--json', '--data', data], {
      BINNACLE_URL: 'http://127.0.0.1:9',
      BINNACLE_TOKEN: '',
    });
    rmSync(data, { recursive: true });
    expect(result.code).toBe(0);
    expect(gateway.requests.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
  });

  it('do not take the gateway of the original for that of a copy', async () => {
    const data = mkdtempSync(join(tmpdir(), 'binnacle-cli-'));
    const left = JSON.stringify({ url: gateway.url, directory: '1:1' });
    writeFileSync(join(data, 'gateway.json'), left, { mode: 0o600 });
    writeFileSync(join(data, 'admin.token'), `bn_${'0'.repeat(40)}\n`, { mode: 0o600 });
    const before = gateway.requests.length;
    const result = await commands.run(['kill', 'work', '--data', data], { BINNACLE_TOKEN: '' });
    rmSync(data, { recursive: true });
    expect(result.code).toBe(3);
    expect(result.err).toContain(`No gateway runs in ${data}`);
    expect(gateway.requests).toHaveLength(before);
  });

  it('give a doctor’s report that a script can read', async () => {
    const { out } = await commands.run(['doctor', '--json']);
    const report = JSON.parse(out) as { findings: { name: string; state: string }[] };
    expect(report.findings.find(({ name }) => name === 'native terminal')?.state).toBe('ok');
    expect(report.findings.find(({ name }) => name === 'gateway')?.state).toBe('ok');
  });

  it('say what is wrong with a config file, with 1 where anything in it does not work', async () => {
    const data = mkdtempSync(join(tmpdir(), 'binnacle-cli-'));
    const file = join(data, 'config.jsonc');
    const none = await commands.run(['config', 'check', '--data', data]);
    expect(none).toMatchObject({ code: 0 });
    expect(none.out).toContain('there is no');

    writeFileSync(file, '{\n  "agents": { "entries": { "main": { "driver": "echo" } } }\n}');
    expect(await commands.run(['config', 'check', '--data', data])).toEqual({
      code: 0,
      out: 'No problems.\n',
      err: '',
    });

    const here = { driver: 'command', command: ['cat'] };
    const entries = { here, gone: { driver: 'acp', command: ['no-such-agent'], cwd: '/no/such/place' } };
    const agents = JSON.stringify({ entries: { ...entries, here: { ...here, default: true } } });
    writeFileSync(file, `{\n  "colour": 1,\n  "agents": ${agents}\n}`);
    const unstartable = await commands.run(['config', 'check', file]);
    expect(unstartable.code).toBe(1);
    expect(unstartable.out).toContain('2:13 colour: There is no setting "colour" here.');
    expect(unstartable.out).toContain('agents.entries.gone.command: The program "no-such-agent" was not found.');
    expect(unstartable.out).toContain('agents.entries.gone.cwd: There is no directory /no/such/place');
    expect(unstartable.out).not.toContain('entries.here');

    writeFileSync(file, '{\n  "agents": { "entries": {\n    "main": { "driver": "magic", "command": "x" } } }\n}');
    const wrong = await commands.run(['config', 'check', '--data', data]);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain('3:25 agents.entries.main.driver: ');
    expect(wrong.out).toContain('3:45 agents.entries.main.command: Expected a list, e.g. ["opencode", "acp"].');
    expect(wrong.out).toContain('refuses this file');
    const json = JSON.parse((await commands.run(['config', 'check', file, '--json'])).out) as { problems: object[] };
    expect(json).toMatchObject({
      holds: false,
      problems: [
        { line: 3, column: 25 },
        { line: 3, column: 45 },
      ],
    });

    const doctor = await commands.run(['doctor', '--json', '--data', data]);
    expect(doctor.code).toBe(1);
    const { findings } = JSON.parse(doctor.out) as { findings: { name: string; state: string; detail: string }[] };
    const finding = findings.find(({ name }) => name === 'config file');
    expect(finding).toMatchObject({ state: 'fail' });
    expect(finding?.detail).toContain('3:25');
    rmSync(data, { recursive: true });
  });

  inAll('say that a config file that is named is not there', async () => {
    expect(await commands.run(['config', 'check', join(dir, 'none.jsonc')])).toMatchObject({ code: 1 });
  });

  it.each(some(['bash', 'zsh', 'fish'], 1))('print a completion script for %s', async (shell) => {
    const { code, out } = await commands.run(['completion', shell]);
    expect(code).toBe(0);
    expect(out).toContain('binnacle');
  });

  it('complete commands and the names of sessions', async () => {
    expect((await commands.run(['complete', '--', 'at'])).out).toContain('attach');
    expect((await commands.run(['complete', '--', 'attach', ''])).out).toContain('test');
  });
});
