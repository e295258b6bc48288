// Folders with plugins, as their authors have them, and the binary that is told of them.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Commands } from '../support/commands.ts';

export const REPO = resolve(import.meta.dirname, '../..');

export const TOOL = { tools: { reason: 'To offer echo.', names: ['echo'] } };

/** Prints what would turn a terminal red, and a text round. */
export const ECHO = `export default (api) => {
  api.tool({ name: 'echo', description: 'Says it again.', run: ({ text = '' }) => 'you said ' + text });
  console.log('loaded \\u001b[31mred\\u001b[0m \\u202e');
};\n`;

export const manifest = (more: object = {}): string =>
  JSON.stringify({ id: 'probe', version: '1.0.0', entry: 'index.mjs', ...more });

export class Folders {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-plugin-cli-')));
  readonly commands = new Commands(join(REPO, 'packages/cli/bin/binnacle.js'), {});

  folder(name: string, files: Readonly<Record<string, string>>): string {
    const dir = join(this.root, name);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    return dir;
  }

  probe(more: object = { permissions: TOOL }, entry = ECHO, name = 'probe'): string {
    return this.folder(name, { 'binnacle.plugin.json': manifest(more), 'index.mjs': entry });
  }

  close(): void {
    this.commands.end();
    rmSync(this.root, { recursive: true });
  }
}
