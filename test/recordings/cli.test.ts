// `binnacle export` and `binnacle import`, as they are installed, against a real gateway.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { endOf, makeConversation, sendTo, writeConfig } from '../conversations/conversation.fixture.ts';
import { Commands } from '../support/commands.ts';
import { inAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { castOf, eventsOf, outputOf, ran } from './recordings.fixture.ts';

const binary = fileURLToPath(new URL('../../packages/cli/dist/binnacle.mjs', import.meta.url));

let gateway: Gateway;
let commands: Commands;
let dir: string;
beforeAll(async () => {
  gateway = await openGateway({
    prepare: (data) => writeConfig(data, { agents: { entries: { main: { driver: 'echo' } } } }),
  });
  commands = new Commands(binary, { BINNACLE_DATA: gateway.dir });
  dir = mkdtempSync(join(tmpdir(), 'binnacle-cast-'));
  await ran(gateway, { argv: ['bash', '-c', 'echo hello; exit 3'], name: 'build' });
});
afterEach(() => commands.end());
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const at = (name: string): string => join(dir, name);
const read = (name: string): string => readFileSync(at(name), 'utf8');

describe('binnacle export', () => {
  it('writes to stdout, in the form that is asked for', async () => {
    const { code, out, err } = await commands.run(['export', 'build', '--idle-limit', '1.5']);
    expect([code, err, outputOf(out)]).toEqual([0, '', 'hello\r\n']);
    expect(out).toContain('"idle_time_limit":1.5');
    expect((await commands.run(['export', 'build', '--text'])).out).toBe('hello\n');
    expect((await commands.run(['export', 'build', '--markdown'])).out).toContain('Exit code 3');
    expect((await commands.run(['export', 'build', '--jsonl'])).out).toContain('"exitCode":3');
  });

  it('writes to a file, whose ending says the form, and over none', async () => {
    // As long as names may be.
    const name = `${'ü'.repeat(125)}.txt`;
    expect(await commands.run(['export', 'build', '-o', at(name)])).toEqual({ code: 0, out: '', err: '' });
    expect(read(name)).toBe('hello\n');
    writeFileSync(at(name), 'mine');
    const again = await commands.run(['export', 'build', '-o', at(name)]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('already exists')]);
    expect(read(name)).toBe('mine');
    expect((await commands.run(['export', 'build', '-o', at(name), '--force', '--cast'])).code).toBe(0);
    expect(outputOf(read(name))).toBe('hello\r\n');
    symlinkSync(at('nowhere'), at('link.cast'));
    expect((await commands.run(['export', 'build', '-o', at('link.cast')])).code).toBe(2);
    expect((await commands.run(['export', 'build', '-o', '/dev/null'])).code).toBe(0);
    expect((await commands.run(['export', 'build', '-o', dir])).code).toBe(2);
    expect(parts()).toEqual([]);
  });

  inAll('writes to a device by a link to it, and to a file whose name is as long as names may be', async () => {
    symlinkSync('/dev/null', at('sink'));
    const sunk = await commands.run(['export', 'build', '--text', '-o', at('sink')]);
    expect(sunk).toEqual({ code: 0, out: '', err: '' });
    expect(readlinkSync(at('sink'))).toBe('/dev/null');
    symlinkSync(dir, at('folder'));
    for (const more of [[], ['--force']]) {
      const { code, err } = await commands.run(['export', 'build', '--text', '-o', at('folder'), ...more]);
      expect([code, err]).toEqual([2, expect.stringContaining('is a directory')]);
    }
    for (const name of [`${'a'.repeat(251)}.txt`, `${'é'.repeat(125)}.txt`]) {
      expect(await commands.run(['export', 'build', '-o', at(name)])).toEqual({ code: 0, out: '', err: '' });
      expect(read(name)).toBe('hello\n');
    }
    expect(parts()).toEqual([]);
  });

  it('leaves no file behind where it fails', async () => {
    const cases: [number, ...string[]][] = [
      [5, 'nobody', '-o', at('b.cast')],
      [2, 'build', '-o', at('b.cast'), '--idle-limit', 'x'],
      [2, 'build', '-o', at('b.cast'), '--text', '--jsonl'],
      [2, 'build', '-o', at('no/b.cast')],
      [1, 'build', '-o', '/dev/full'],
    ];
    for (const [code, ...args] of some(cases, 3)) {
      expect([args, (await commands.run(['export', ...args])).code]).toEqual([args, code]);
    }
    expect([existsSync(at('b.cast')), parts()]).toEqual([false, []]);
  });

  it('follows a session, and keeps what has come when it is interrupted', async () => {
    const { id } = await gateway.client.sessions.create({ argv: ['bash', '-c', 'echo begun; read; echo over'] });
    const env = { ...process.env, BINNACLE_DATA: gateway.dir };
    const follow = (file: string) =>
      spawn(process.execPath, [binary, 'export', id, '--follow', '-o', at(file)], { env });
    const one = follow('one.cast');
    const two = follow('two.cast');
    const hasBegun = (name: string) => parts().some((file) => file.includes(name) && read(file).includes('begun'));
    await until('both have begun', () => hasBegun('one.cast') && hasBegun('two.cast'));
    one.kill('SIGINT');
    expect((await once(one, 'close'))[0]).toBe(130);
    expect(outputOf(read('one.cast'))).toBe('begun\r\n');
    await gateway.client.session(id).write('\n');
    expect((await once(two, 'close'))[0]).toBe(0);
    expect(outputOf(read('two.cast'))).toContain('over');
    expect(eventsOf(read('two.cast')).at(-1)?.slice(1)).toEqual(['x', '0']);
  });

  it('takes the key of a conversation', async () => {
    const { key } = await makeConversation(gateway, { name: 'talk' });
    const { run } = await sendTo(gateway, key, { text: 'hello there' });
    await endOf(gateway, key, run?.id ?? '');
    expect((await commands.run(['export', key])).out).toContain('> hello there');
    expect((await commands.run(['export', key, '--jsonl'])).out).toContain('"type":"final"');
    expect((await commands.run(['export', key, '--cast'])).code).toBe(2);
  });
});

describe('binnacle import', () => {
  it('makes a session of a file and of stdin, and says what it left out', async () => {
    writeFileSync(
      at('in.cast'),
      castOf([
        [1, 'o', 'hi'],
        [1, 'i', 'x'],
        [1, 'q', '?'],
      ]),
    );
    const { code, out, err } = await commands.run(['import', at('in.cast'), '--name', 'demo']);
    expect(code).toBe(0);
    expect(err).toContain('1 event as "demo"');
    expect(err).toContain('1 event of an unknown kind');
    expect(err).toContain('1 event of input left out');
    expect(outputOf((await commands.run(['export', out.trim()])).out)).toBe('hi');
    const piped = await commands.run(['import', '-', '--json'], {}, read('in.cast'));
    expect(JSON.parse(piped.out)).toMatchObject({ session: { state: 'closed' }, recording: { events: 1 } });
  });

  it('says what is wrong with a file, and where', async () => {
    writeFileSync(at('bad.cast'), `${castOf([[1, 'o', 'hi']])}nonsense\n`);
    const { code, out, err } = await commands.run(['import', at('bad.cast')]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('line 3: it is not JSON');
    expect((await commands.run(['import', at('nowhere.cast')])).code).toBe(2);
    expect((await commands.run(['import', dir])).code).toBe(2);
  });
});

/** What exports write beside their files. */
const parts = (): string[] => readdirSync(dir).filter((name) => name.endsWith('.part'));
