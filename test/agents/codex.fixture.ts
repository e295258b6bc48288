// The pinned Codex, with a home of its own and a model that is ours. Nothing of the machine's Codex is read.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentBinary } from '../../scripts/agents.mjs';

export interface CodexHome {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  remove(): void;
}

/**
 * `url`: of the model. `asks`: it must ask before it does more than read. Else commands run without a sandbox, because
 * tests must run where none can be made; what was allowed by somebody does, too. `more`: lines of its config.
 */
export async function codexHome(
  url: string,
  { asks, more = [] }: { readonly asks: boolean; readonly more?: readonly string[] },
): Promise<CodexHome> {
  const binary = await agentBinary('codex');
  const home = mkdtempSync(join(tmpdir(), 'binnacle-codex-'));
  const config = [
    'model = "mock"',
    'model_provider = "mock"',
    'approval_policy = "on-request"',
    `sandbox_mode = "${asks ? 'read-only' : 'danger-full-access'}"`,
    'check_for_update_on_startup = false',
    '[analytics]',
    'enabled = false',
    '[model_providers.mock]',
    'name = "mock"',
    `base_url = "${url}/v1"`,
    'wire_api = "responses"',
    'request_max_retries = 0',
    'stream_max_retries = 0',
    ...more,
  ];
  writeFileSync(join(home, 'config.toml'), `${config.join('\n')}\n`);
  return {
    command: [binary, 'app-server'],
    env: { CODEX_HOME: home, HOME: home, TMPDIR: home },
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}
