// What docs/plugins.md and docs/writing-a-plugin.md tell people to type, typed as it is written, against a real gateway.
// Only the questions are answered beforehand.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, connectHttp } from '../mcp/mcp.fixture.ts';
import { isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { pluginInfo } from './installed.fixture.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');

let gateway: Gateway;
let dir: string;

beforeAll(async () => {
  gateway = await openGateway();
  dir = mkdtempSync(join(tmpdir(), 'binnacle-plugin-docs-'));
  symlinkSync(join(REPOSITORY, 'examples'), join(dir, 'examples'));
});
afterAll(async () => {
  await gateway?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The fenced blocks of a language in a document, between two pieces of its text. */
function blocks(document: string, language: string, from: string, to: string): readonly string[] {
  const text = readFileSync(join(REPOSITORY, document), 'utf8');
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  expect([start >= 0, end > start], `${from} … ${to}`).toEqual([true, true]);
  return [...text.slice(start, end).matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, kind, block]) =>
    kind === language && block !== undefined ? [block] : [],
  );
}

/** In one shell, which ends where one of them fails. */
async function typed(block: string): Promise<{ readonly code: number | null; readonly out: string }> {
  const answered = block.replaceAll(/^(binnacle plugin (?:install|rm) )/gm, '$1--yes ');
  const child = spawn('sh', ['-ec', answered], {
    cwd: dir,
    env: {
      ...process.env,
      PATH: `${join(REPOSITORY, 'node_modules/.bin')}:${process.env.PATH}`,
      BINNACLE_DATA: gateway.dir,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      out += String(bytes);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out };
}

describe('what people are told to type', () => {
  it('in docs/writing-a-plugin.md makes a tool that agents can call', async () => {
    const part = ['docs/writing-a-plugin.md', '## The first one', '## The manifest'] as const;
    const [document, from, to] = part;
    const [manifest = ''] = blocks(document, 'json', from, to);
    const [entry = ''] = blocks(document, 'js', from, to);
    const [commands = '', ...others] = blocks(document, 'sh', from, to);
    expect(others).toEqual([]);
    mkdirSync(join(dir, 'ship-bell'), { mode: 0o755 });
    for (const [name, text] of [
      ['binnacle.plugin.json', manifest],
      ['index.mjs', entry],
    ] as const) {
      writeFileSync(join(dir, 'ship-bell', name), text, { mode: 0o644 });
    }
    const { code, out } = await typed(commands);
    expect(code, out).toBe(0);
    expect(out).toContain('ding ding ding');
    const agent = await connectHttp(gateway);
    expect(await call(agent, 'ship-bell_ring', { times: 2 })).toMatchObject({ isError: false, text: 'ding ding' });
    expect(await call(agent, 'ship-bell_ring', { times: 9 })).toMatchObject({ isError: true });
    await agent.close();
  });

  it('in docs/plugins.md installs a plugin, takes a grant away and gives it back, and removes it', async () => {
    const [commands = '', ...others] = blocks('docs/plugins.md', 'sh', '# Plugins', '## Agreeing and granting');
    expect(others).toEqual([]);
    // What `ls` tells is in cli.test.ts.
    const lines = commands
      .trim()
      .split('\n')
      .filter((line) => isAll || !line.includes(' ls '));
    const at = (word: string): number => lines.findIndex((line) => line.includes(` ${word} `));
    const granted = async () =>
      (await pluginInfo(gateway, 'hello')).permissions.map(({ permission, granted }) => [permission, granted]);
    const type = async (some: readonly string[]) => {
      const { code, out } = await typed(some.join('\n'));
      expect(code, out).toBe(0);
      return out;
    };
    await type(lines.slice(0, at('revoke')));
    expect(await granted()).toEqual([['tools', { names: ['greet'] }]]);
    await type([lines[at('revoke')] ?? '']);
    expect(await granted()).toEqual([['tools', false]]);
    await type([lines[at('grant')] ?? '']);
    expect(await granted()).toEqual([['tools', { names: ['greet'] }]]);
    const out = await type(lines.slice(at('grant') + 1));
    expect(out).toMatch(/It runs, (sealed|restricted)\./);
    expect(out).toMatch(/revoke\s+done/);
    await expect(pluginInfo(gateway, 'hello')).rejects.toThrow('plugin_not_found');
  });
});
