// `binnacle plugin`, as people and scripts use it on a gateway: the real binary, a real gateway, real processes of plugins.

import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { PluginInfo, PluginPreview } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Result } from '../support/commands.ts';
import { count, inAll, isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ECHO, Folders, manifest, TOOL } from './folders.fixture.ts';
import { ask } from './installed.fixture.ts';

let folders: Folders;
beforeEach(() => {
  folders = new Folders();
});
afterEach(() => folders.close());

/** Of a terminal: without what colours it and moves in it. */
const plain = (screen: string): string => stripVTControlCharacters(screen).replaceAll('\r', '');

describe('plugins of a gateway', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });
  afterAll(() => gateway.close());
  afterEach(async () => {
    for (const { id } of await gateway.client.plugins.list()) await gateway.client.plugins.remove(id);
  });

  const plugin = (...args: string[]): Promise<Result> =>
    folders.commands.run(['plugin', ...args], { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: gateway.token });
  const inTerminal = (args: string) =>
    folders.commands.inTerminal(
      `export BINNACLE_URL=${gateway.url} BINNACLE_TOKEN=${gateway.token}; $B plugin ${args}`,
    );
  /** As `plugin install --yes` does, without a process. */
  async function installed(dir: string, grants: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    await ask(gateway, 'POST', '/v1/plugins', { path: dir, digest, grants });
  }
  const info = (): Promise<PluginInfo> => gateway.client.plugins.get('probe');
  const grants = async (): Promise<Record<string, unknown>> =>
    Object.fromEntries((await info()).permissions.map(({ permission, granted }) => [permission, granted]));

  it('are not installed without a word: where nobody can be asked, the flags are named', async () => {
    const { code, err } = await plugin('install', folders.probe());
    expect([code, err]).toEqual([2, expect.stringContaining('--yes --no-grant')]);
    expect(err).toContain('can offer tools to agents: echo');
    expect(err).toContain('“To offer echo.”');
    expect(await gateway.client.plugins.list()).toEqual([]);
  });

  it('are installed with what they ask for, or without, and the list says what is missing', async () => {
    if (isAll) expect((await plugin('ls')).err).toContain('No plugins.');
    expect((await plugin('install', folders.probe(), '--yes')).code).toBe(0);
    expect([(await info()).state, await grants()]).toEqual(['running', { tools: { names: ['echo'] } }]);
    // It was granted before it was loaded.
    expect((await gateway.client.plugins.audit('probe')).filter(({ outcome }) => outcome === 'denied')).toEqual([]);
    if (isAll) expect((await plugin('rm', 'probe')).code).toBe(2);
    expect((await plugin('remove', 'probe', '--yes')).code).toBe(0);
    if (isAll) expect((await plugin('rm', 'probe', '--yes')).code).toBe(1);
    expect((await plugin('install', folders.probe(), '--yes', '--no-grant', '--json')).code).toBe(0);
    const { out } = await plugin('ls');
    expect(out).toMatch(/^ID +VERSION +LEVEL +STATE +OFFERS\nprobe +1\.0\.0 +(sealed|restricted) +running +tool\n/);
    const command = /binnacle (plugin grant .*)/.exec(out)?.[1];
    expect(command).toBe('plugin grant probe tools echo');
    expect(
      (
        await folders.commands.run((command ?? '').split(' '), {
          BINNACLE_URL: gateway.url,
          BINNACLE_TOKEN: gateway.token,
        })
      ).code,
    ).toBe(0);
    if (isAll) {
      expect(JSON.parse((await plugin('ls', '--json')).out).plugins).toMatchObject([
        { id: 'probe', permissions: [{ missing: false }] },
      ]);
    }
    expect((await plugin('ls', 'probe')).out).toContain('can offer tools to agents: echo (granted)');
  });

  it('tell what is wrong before anybody is asked', async () => {
    const dir = folders.folder('typed', {
      'binnacle.plugin.json': manifest({ entry: 'in\u202edex.ts' }),
      'in\u202edex.ts': '',
    });
    const bad = await plugin('install', dir, '--yes');
    expect([bad.code, bad.err.includes('\u202e')]).toEqual([1, false]);
    expect(await gateway.client.plugins.list()).toEqual([]);
    if (!isAll) return;
    const typed = folders.folder('typed-2', {
      'binnacle.plugin.json': manifest({ entry: 'index.ts' }),
      'index.ts': '',
      'evil\u202e.ts': '\nenum A {}',
    });
    const refused = await plugin('install', typed, '--yes');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('evil\\u202e.ts" has an ambiguous name')]);
    expect((await plugin('install', join(folders.root, 'nowhere'), '--yes')).code).toBe(1);
    expect(await gateway.client.plugins.list()).toEqual([]);
  });

  it('are asked about in a terminal: yes, no, or one by one', async () => {
    const dir = folders.probe({
      permissions: { ...TOOL, notify: { reason: 'To notify you.' }, storage: { reason: 'To keep.' } },
    });
    const no = await inTerminal(`install ${dir}`);
    await until('it asks', () => no.text().includes('[y/N/c]'));
    expect(plain(no.text())).toContain('can keep data of its own on this machine');
    no.type('\n');
    await until('it ends', () => no.text().includes('done'));
    expect(no.text()).toContain('code=1');
    expect(await gateway.client.plugins.list()).toEqual([]);

    const choice = await inTerminal(`install ${dir}`);
    await until('it asks', () => choice.text().includes('[y/N/c]'));
    choice.type('c\n');
    for (const [question, answer] of [
      ['Grant tools?', 'y'],
      ['Grant notify?', 'n'],
      ['Grant storage?', 'yes'],
      ['grant 2 of 3?', 'y'],
    ] as const) {
      await until(question, () => plain(choice.text()).includes(question));
      choice.type(`${answer}\n`);
    }
    await until('it ends', () => choice.text().includes('code=0'));
    expect(await grants()).toEqual({ tools: { names: ['echo'] }, notify: false, storage: true });
  }, 30_000);

  inAll(
    'are asked about in a terminal again when they are updated, and stay as they are where that is interrupted',
    async () => {
      const dir = folders.probe({
        permissions: { ...TOOL, notify: { reason: 'To notify you.' }, storage: { reason: 'To keep.' } },
      });
      await installed(dir, { tools: { names: ['echo'] }, storage: true });
      const version = folders.probe({
        version: '2.0.0',
        permissions: { ...TOOL, readSessions: { reason: 'To look.' } },
      });
      const update = await inTerminal(`install ${version}`);
      await until('it asks', () => update.text().includes('[y/N/c]'));
      expect(plain(update.text())).toContain('replaces 1.0.0');
      expect(plain(update.text())).toMatch(/new can see the sessions[^\n]*\n/);
      expect(plain(update.text())).toMatch(/\n {2}can offer tools to agents: echo \(granted\)\n/);
      update.type('y\n');
      await until('it ends', () => update.text().includes('code=0'));
      expect([(await info()).version, await grants()]).toEqual([
        '2.0.0',
        { tools: { names: ['echo'] }, readSessions: true, storage: true },
      ]);

      const interrupted = await inTerminal(`install ${dir}`);
      await until('it asks', () => interrupted.text().includes('[y/N]'));
      interrupted.type('\x03');
      await until('it ends', () => interrupted.text().includes('code=130'));
      expect((await info()).version).toBe('2.0.0');
    },
    30_000,
  );

  it('are granted and lose permissions, whole or by items', async () => {
    const asks = { net: { reason: 'To ask.' }, runCommandWithTimeout: { reason: 'To look.' } };
    await installed(folders.probe({ permissions: asks }));
    const steps: [string[], number, unknown][] = [
      [
        ['grant', 'probe', 'net', 'API.example.com', 'b.example.com:8443'],
        0,
        { hosts: ['api.example.com', 'b.example.com:8443'] },
      ],
      [
        ['grant', 'probe', 'net', 'c.example.com'],
        0,
        { hosts: ['api.example.com', 'b.example.com:8443', 'c.example.com'] },
      ],
      [['revoke', 'probe', 'net', 'API.example.com'], 0, { hosts: ['b.example.com:8443', 'c.example.com'] }],
      [['grant', 'probe', 'net'], 2, { hosts: ['b.example.com:8443', 'c.example.com'] }],
      [['grant', 'probe', 'net', 'not a host'], 2, { hosts: ['b.example.com:8443', 'c.example.com'] }],
      [
        ['grant', 'probe', 'net', '127.0.0.1:9000'],
        0,
        { hosts: ['b.example.com:8443', 'c.example.com', '127.0.0.1:9000'] },
      ],
      // What stays is what all of it leaves out.
      [['grant', 'probe', 'net', '--yes'], 0, { hosts: ['*', 'b.example.com:8443', '127.0.0.1:9000'] }],
      [['revoke', 'probe', 'net', 'b.example.com:8443', '127.0.0.1:9000'], 0, { hosts: ['*'] }],
      [['grant', 'probe', 'net', '--yes'], 0, { hosts: ['*'] }],
      [['grant', 'probe', 'net', '10.0.0.1:80'], 0, { hosts: ['*', '10.0.0.1:80'] }],
      [['revoke', 'probe', 'net'], 0, false],
      [['grant', 'probe', 'net', '--yes'], 0, true],
      [['grant', 'probe', 'net', 'd.example.com'], 0, true],
      [['revoke', 'probe', 'net', 'c.example.com'], 2, true],
      [['grant', 'probe', 'net', '127.0.0.1:9000'], 0, { hosts: ['*', '127.0.0.1:9000'] }],
      [['revoke', 'probe', 'net'], 0, false],
      [['grant', 'probe', 'fly'], 2, false],
      [['grant', 'nobody', 'notify'], 1, false],
    ];
    for (const [args, code, granted] of steps.slice(0, count({ quick: 3, all: steps.length }))) {
      const result = await plugin(...args);
      expect([args, result.code, (await grants()).net]).toEqual([args, code, granted]);
    }
    if (!isAll) return;
    await plugin('grant', 'probe', 'runCommandWithTimeout', 'git');
    await plugin('revoke', 'probe', 'runCommandWithTimeout', 'git');
    expect((await grants()).runCommandWithTimeout).toBe(false);
    expect((await plugin('grant', 'probe', 'notify', 'x')).code).toBe(2);
  }, 60_000);

  inAll('that somebody has narrowed are told as such, and nobody is asked to widen them', async () => {
    const asks = { ...TOOL, net: { reason: 'To ask.' } };
    await plugin('install', folders.probe({ permissions: asks }), '--yes', '--no-grant');
    await plugin('grant', 'probe', 'net', '127.0.0.1:9000');
    await plugin('grant', 'probe', 'tools');
    await plugin('grant', 'probe', 'tools', 'echo');
    expect((await plugin('ls')).out).toMatch(/ tool\n$/);
    const { out } = await plugin('ls', 'probe');
    expect(out).toContain('can send requests to the internet (without a limit) (narrowed to 127.0.0.1:9000)');
    expect(out).not.toContain('grant it with');
    // A version that asks for the same leaves it so.
    const again = await plugin('install', folders.probe({ version: '1.1.0', permissions: asks }), '--yes');
    expect([again.code, await grants()]).toEqual([
      0,
      { net: { hosts: ['127.0.0.1:9000'] }, tools: { names: ['echo'] } },
    ]);
  });

  inAll('are not nagged about for what they could do without', async () => {
    const asks = { ...TOOL, notify: { reason: 'To tell, if you want.' }, net: { reason: 'To ask, if you want.' } };
    const wants = `${ECHO.replace('export default (api)', 'export default async (api)').replace(
      'console.log',
      "await api.fetch('https://tides.example/').catch(() => undefined); console.log",
    )}`;
    await plugin('install', folders.probe({ permissions: asks }), '--yes', '--no-grant');
    expect((await plugin('ls')).out.match(/binnacle plugin grant.*/g)).toEqual([
      'binnacle plugin grant probe tools echo',
    ]);
    expect((await plugin('ls', 'probe')).out.match(/grant probe.*/g)).toHaveLength(3);
    await plugin('install', folders.probe({ version: '1.1.0', permissions: asks }, wants), '--yes', '--no-grant');
    expect((await plugin('ls')).out.match(/grant probe.*/g)).toEqual(['grant probe net', 'grant probe tools echo']);
  });

  inAll('are granted what they do not ask for by those alone who know that', async () => {
    const asks = { ...TOOL, runCommandWithTimeout: { reason: 'To look.', commands: ['git', 'rg'] } };
    await plugin('install', folders.probe({ permissions: asks }), '--yes', '--no-grant');
    const doubtful: [string[], RegExp][] = [
      [['notify'], /probe does not ask for notify\. With it, it can show notifications/],
      [
        ['runCommandWithTimeout', 'git', 'hg'],
        /probe does not ask for hg; of runCommandWithTimeout it asks for git, rg\./,
      ],
      [['runCommandWithTimeout'], /It asks for less: binnacle plugin grant probe runCommandWithTimeout git rg\n/],
    ];
    for (const [args, words] of doubtful) {
      const { code, err } = await plugin('grant', 'probe', ...args);
      expect([args, code, err]).toEqual([args, 2, expect.stringMatching(words)]);
    }
    expect(await grants()).toEqual({ tools: false, runCommandWithTimeout: false });
    expect((await plugin('grant', 'probe', 'runCommandWithTimeout', 'git')).code).toBe(0);
    const { code, err } = await plugin('grant', 'probe', 'notify', '--yes');
    expect([code, err]).toEqual([0, expect.stringContaining('does not ask for notify')]);
    expect(await grants()).toMatchObject({ notify: true, runCommandWithTimeout: { commands: ['git'] } });
  });

  it('that need settings are installed with success, and say which', async () => {
    const config = { type: 'object', properties: { secret: { type: 'string' } }, required: ['secret'] };
    const { code, err } = await plugin('install', folders.probe({ permissions: TOOL, config }), '--yes');
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(
        'probe 1.0.0 is installed: needs settings\nIt needs settings: secret.\nSet plugins.entries.probe.config',
      ),
    ]);
    const { out } = await plugin('ls');
    expect(out).toMatch(/probe +1\.0\.0 +- +needs settings +-\nprobe: It needs settings: secret\.\n/);
    if (!isAll) return;
    expect((await plugin('ls', 'probe')).out).toContain('Settings\n  secret  needed\n');
    expect((await plugin('restart', 'probe')).code).toBe(1);
  });

  it('that end tell where more of it stands', async () => {
    const dying = "export default () => { setTimeout(() => { throw new Error('no more'); }, 1); };";
    await installed(folders.probe({}, dying));
    let out = '';
    // Between its ends it runs for a moment.
    await until('the list says that it waits or is disabled', async () => {
      ({ out } = await plugin('ls'));
      return out.includes('probe: binnacle plugin logs probe shows its output.');
    });
    expect(out).not.toContain('to see why it ended');
  });

  it('are looked for where somebody says, and the right words come first', async () => {
    const wrong: [string, RegExp][] = [
      [join(folders.root, 'nowhere'), /^binnacle: There is no folder \/.*\/nowhere\.\n.*binnacle plugin new DIR/],
      [
        folders.folder('empty', { 'a.txt': '' }),
        /^binnacle: There is no binnacle\.plugin\.json in \/.*\/empty\.\n.*plugin new/,
      ],
      [
        folders.folder('bad', { 'binnacle.plugin.json': '{"id": "bad"}' }),
        /binnacle\.plugin\.json.*\n.*docs\/writing-a-plugin\.md/,
      ],
    ];
    // What else is wrong there is of no use to anybody.
    symlinkSync('a.txt', join(folders.root, 'empty/link'));
    for (const [dir, words] of some(wrong, 2)) {
      const { code, err } = await plugin('install', dir, '--yes');
      expect([dir, code, err]).toEqual([dir, 1, expect.stringMatching(words)]);
    }
  });

  it('print into logs that move no cursor, are audited, and can be switched off', async () => {
    await installed(folders.probe(), { tools: { names: ['echo'] } });
    const follow = await inTerminal('logs -f probe');
    await until('the log is there', () => follow.text().includes('loaded'));
    expect(follow.text()).not.toContain('\x1b[31m');
    expect((await plugin('disable', 'probe')).err).toBe('probe: off\n');
    expect((await plugin('enable', 'probe')).err).toBe('probe: running\n');
    await until('it goes on', () => follow.text().split('loaded').length > 2);
    const { out } = await plugin('logs', 'probe', '--json');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).stream),
    ).toContain('gateway');
    const audit = await plugin('audit', 'probe', '--limit', '50');
    expect(audit.out).toMatch(/install +done +1 +admin/);
    if (isAll) expect((await plugin('audit', 'probe', '--limit', '0')).code).toBe(2);
  });

  it('are written in a gateway that runs: changes are taken up, more is asked about, and Ctrl-C takes them away', async () => {
    const dir = folders.probe();
    const screen = await inTerminal(`dev ${dir}`);
    const shows = (text: string) => until(text, () => plain(screen.text()).includes(text));
    await shows('[y/N/c]');
    screen.type('y\n');
    await shows('Waiting for changes');
    writeFileSync(join(dir, 'index.mjs'), `${ECHO}console.log('second');`);
    await shows('second');
    writeFileSync(join(dir, 'index.mjs'), 'this is no module');
    await shows('installed: disabled');
    writeFileSync(
      join(dir, 'binnacle.plugin.json'),
      manifest({ permissions: { ...TOOL, storage: { reason: 'To keep.' } } }),
    );
    writeFileSync(join(dir, 'index.mjs'), `${ECHO}console.log('third');`);
    await shows('new can keep data');
    expect((await info()).permissions).toHaveLength(1);
    screen.type('y\n');
    await shows('third');
    expect(await grants()).toMatchObject({ storage: true });
    writeFileSync(join(dir, 'binnacle.plugin.json'), '{');
    await shows('binnacle: binnacle.plugin.json');
    screen.type('\x03');
    await shows('probe is removed again.');
    expect(await gateway.client.plugins.list()).toEqual([]);
  }, 30_000);

  it('have every save taken up, whichever way an editor saves, and are gone when the terminal is', async () => {
    const dir = folders.probe();
    const screen = await inTerminal(`dev ${dir} --yes`);
    const shows = (text: string) => until(text, () => plain(screen.text()).includes(text));
    await shows('Waiting for changes');
    for (let save = 1; save <= count({ quick: 1, all: 5 }); save += 1) {
      writeFileSync(join(dir, '.index.mjs.swp'), `${ECHO}console.log('replaced ${save}');`);
      renameSync(join(dir, '.index.mjs.swp'), join(dir, 'index.mjs'));
      await shows(`replaced ${save}`);
      writeFileSync(join(dir, 'index.mjs'), `${ECHO}console.log('in place ${save}');`);
      await shows(`in place ${save}`);
    }
    screen.hangUp();
    await until('it is gone', async () => (await gateway.client.plugins.list()).length === 0);
  }, 60_000);

  it('that were there before stay when their author is done', async () => {
    const dir = folders.probe();
    await installed(dir, { tools: { names: ['echo'] } });
    const screen = await inTerminal(`dev ${dir}`);
    await until('it waits', () => screen.text().includes('Waiting for changes'));
    screen.type('\x03');
    await until('it ends', () => screen.text().includes('code=0'));
    expect((await info()).state).toBe('running');
  });
});
