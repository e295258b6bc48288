import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BinnacleError } from '@binnacle/protocol';
import { build } from 'rolldown';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DataDirLock } from '../store/lock.ts';
import { loadAdminToken, readAdminToken } from './admin-token.ts';
import { defaultDataDir, prepareDataDir } from './data-dir.ts';
import { writeGatewayFile } from './gateway-file.ts';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-data-'));
  dir = join(root, 'deep', 'data');
});
afterEach(() => rmSync(root, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const refusal = (work: () => unknown): BinnacleError => {
  try {
    work();
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
};

describe('denied-by-default: the data directory (S17, S25)', () => {
  test('is made for us alone', () => {
    expect(prepareDataDir(dir)).toBe(dir);
    expect(modeOf(dir)).toBe(0o700);
    expect(prepareDataDir(dir)).toBe(dir);
  });

  test('is refused when others can get at it', () => {
    prepareDataDir(dir);
    for (const mode of [0o755, 0o710, 0o701, 0o770]) {
      chmodSync(dir, mode);
      const { code, hint } = refusal(() => prepareDataDir(dir));
      expect({ code, hint }).toEqual({ code: 'bad_data_dir', hint: `chmod 700 ${dir}` });
      expect(modeOf(dir)).toBe(mode);
    }
  });

  test('is refused when it is a link, a file, or cannot be made', () => {
    prepareDataDir(dir);
    const link = join(root, 'link');
    symlinkSync(dir, link);
    expect(refusal(() => prepareDataDir(link)).message).toContain('symbolic link');
    const dangling = join(root, 'dangling');
    symlinkSync(join(root, 'nothing'), dangling);
    expect(refusal(() => prepareDataDir(dangling)).code).toBe('bad_data_dir');
    expect(refusal(() => prepareDataDir(join(dangling, 'below'))).code).toBe('bad_data_dir');
    // The recursive mkdir of Node 20 never returns below /proc.
    expect(refusal(() => prepareDataDir('/proc/nope/below')).code).toBe('bad_data_dir');
    const file = join(root, 'file');
    writeFileSync(file, '');
    expect(refusal(() => prepareDataDir(file)).message).toContain('not a directory');
    expect(refusal(() => prepareDataDir(join(file, 'below'))).code).toBe('bad_data_dir');
  });

  test.runIf(process.getuid?.() === 0)('is refused when it belongs to somebody else', async () => {
    const { chownSync } = await import('node:fs');
    prepareDataDir(dir);
    chownSync(dir, 12345, 12345);
    expect(refusal(() => prepareDataDir(dir)).message).toContain('belongs to user 12345');
  });

  test('is below XDG_DATA_HOME when that is absolute', () => {
    expect(defaultDataDir({ XDG_DATA_HOME: '/data' })).toBe('/data/binnacle');
    expect(defaultDataDir({ XDG_DATA_HOME: 'relative' })).toMatch(/\/\.local\/share\/binnacle$/);
    expect(defaultDataDir({})).toMatch(/\/\.local\/share\/binnacle$/);
  });
});

describe('denied-by-default: the admin token', () => {
  beforeEach(() => void prepareDataDir(dir));

  test('is made once, 256 bits, in a file for us alone', () => {
    const token = loadAdminToken(dir, {});
    expect(token).toMatch(/^bn_[\w-]{43}$/);
    expect(modeOf(join(dir, 'admin.token'))).toBe(0o600);
    expect(loadAdminToken(dir, {})).toBe(token);
    expect(readAdminToken(dir)).toBe(token);
    expect(readdirSync(dir)).toEqual(['admin.token']);
  });

  test('comes from the environment, which forgets it', () => {
    const env = { BINNACLE_TOKEN: 'x'.repeat(32), OTHER: '1' };
    expect(loadAdminToken(dir, env)).toBe('x'.repeat(32));
    expect(env).toEqual({ OTHER: '1' });
    expect(readdirSync(dir)).toEqual([]);
  });

  test('is refused when it is empty or has spaces', () => {
    for (const weak of [`${'x'.repeat(40)} x`, `${'x'.repeat(40)}\n`]) {
      expect(refusal(() => loadAdminToken(dir, { BINNACLE_TOKEN: weak })).code).toBe('weak_token');
    }
    writeFileSync(join(dir, 'admin.token'), '', { mode: 0o600 });
    expect(refusal(() => loadAdminToken(dir, {})).code).toBe('weak_token');
  });

  test('is not taken from a file that others could have made', () => {
    const path = join(dir, 'admin.token');
    writeFileSync(path, 'x'.repeat(40), { mode: 0o644 });
    expect(refusal(() => loadAdminToken(dir, {})).code).toBe('bad_data_dir');
    rmSync(path);
    writeFileSync(join(root, 'theirs'), 'x'.repeat(40), { mode: 0o600 });
    symlinkSync(join(root, 'theirs'), path);
    expect(refusal(() => loadAdminToken(dir, {})).message).toContain('symbolic link');
    rmSync(path);
    mkdirSync(path);
    expect(refusal(() => loadAdminToken(dir, {})).code).toBe('bad_data_dir');
  });
});

describe('the lock of the data directory', () => {
  const repository = fileURLToPath(new URL('../../../../', import.meta.url));
  let children: ChildProcess[];
  beforeEach(() => {
    prepareDataDir(dir);
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  /** A process that takes the lock and keeps it. Resolves with its output: `locked`, or the code of a refusal. */
  const lockElsewhere = async (): Promise<{ child: ChildProcess; output: string }> => {
    const script = join(root, 'holder.mjs');
    await build({
      input: fileURLToPath(new URL('../store/lock.ts', import.meta.url)),
      platform: 'node',
      resolve: { alias: { '@binnacle/protocol': join(repository, 'packages/protocol/src/index.ts') } },
      output: { file: join(root, 'lock.mjs') },
      logLevel: 'silent',
    });
    writeFileSync(
      script,
      `import { DataDirLock } from './lock.mjs';
       try { globalThis.held = DataDirLock.take(${JSON.stringify(dir)}); console.log('locked'); }
       catch (error) { console.log(error.code); }
       setInterval(() => {}, 1000);`,
    );
    // The bundle lies outside the workspace: NODE_PATH leads its require() to the driver.
    const env = { ...process.env, NODE_PATH: join(repository, 'node_modules') };
    const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const output = await new Promise<string>((resolve, reject) => {
      let errors = '';
      child.stderr?.on('data', (chunk) => {
        errors += chunk;
      });
      child.stdout?.once('data', (chunk) => resolve(`${errors}${String(chunk).trim()}`));
      child.once('exit', () => reject(new Error(errors)));
    });
    return { child, output };
  };

  test('is refused while another process has it, and free as soon as that is killed', async () => {
    const { child, output } = await lockElsewhere();
    // Nothing else: loading SQLite prints no warning either.
    expect(output).toBe('locked');
    expect(refusal(() => DataDirLock.take(dir)).code).toBe('data_dir_in_use');
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const lock = DataDirLock.take(dir);
    expect((await lockElsewhere()).output).toBe('data_dir_in_use');
    lock.release();
    expect((await lockElsewhere()).output).toBe('locked');
  });

  test('is refused with the address and the process of who has it, once that has said so', () => {
    const lock = DataDirLock.take(dir);
    expect(refusal(() => DataDirLock.take(dir)).message).toBe('Another gateway uses this data directory.');
    writeGatewayFile(dir, { url: 'http://127.0.0.1:7117', pid: 4711 });
    expect(refusal(() => DataDirLock.take(dir))).toMatchObject({
      message: 'Another gateway uses this data directory: http://127.0.0.1:7117, process 4711.',
      details: { dir, url: 'http://127.0.0.1:7117', pid: 4711 },
    });
    lock.release();
  });

  test('is refused to a second taker in the same process, and that does not free it', async () => {
    const lock = DataDirLock.take(dir);
    expect(refusal(() => DataDirLock.take(dir)).code).toBe('data_dir_in_use');
    expect((await lockElsewhere()).output).toBe('data_dir_in_use');
    lock.release();
    DataDirLock.take(dir).release();
    expect(modeOf(join(dir, 'lock.db'))).toBe(0o600);
    expect(readFileSync(join(dir, 'lock.db')).length).toBe(0);
  });
});
