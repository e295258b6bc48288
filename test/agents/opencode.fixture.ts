// The pinned OpenCode, with a home of its own and a model that is ours. Nothing of the machine's OpenCode is read.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentBinary } from '../../scripts/agents.mjs';

export interface OpenCodeHome {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where it works. */
  readonly cwd: string;
  remove(): void;
}

/** `url`: of the model. It has two models, `mock/small` and `mock/large`, and asks before it runs a command. */
export async function openCodeHome(url: string): Promise<OpenCodeHome> {
  const binary = await agentBinary('opencode');
  const home = mkdtempSync(join(tmpdir(), 'binnacle-opencode-'));
  const cwd = join(home, 'work');
  const config = join(home, '.config/opencode');
  mkdirSync(cwd);
  mkdirSync(config, { recursive: true });
  const models = { small: { name: 'small' }, large: { name: 'large' } };
  writeFileSync(
    join(config, 'opencode.json'),
    JSON.stringify({
      autoupdate: false,
      share: 'disabled',
      model: 'mock/small',
      small_model: 'mock/small',
      provider: {
        mock: { npm: '@ai-sdk/anthropic', name: 'mock', options: { baseURL: `${url}/v1`, apiKey: 'none' }, models },
      },
      permission: { bash: 'ask' },
    }),
  );
  // It installs a package for plugins into its configuration, behind our back; nobody answers there.
  writeFileSync(join(home, '.npmrc'), 'registry=http://127.0.0.1:9/\nfetch-retries=0\n');
  return {
    command: [binary, 'acp'],
    // Without these it looks for newer versions, models and plugins on the network.
    env: {
      HOME: home,
      TMPDIR: home,
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    },
    cwd,
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}
