// The five pinned agents as a person starts them in a terminal, each with a home of its own and a model that is ours.
// Nothing of the machine's agents is read.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { agentBinary } from '../../scripts/agents.mjs';

export const TERMINAL_AGENTS = ['claude', 'codex', 'gemini', 'opencode', 'qwen'] as const;
export type TerminalAgent = (typeof TERMINAL_AGENTS)[number];

export interface AgentCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** On its screen when it can be typed to. */
  readonly ready: RegExp;
  /** On its screen while it asks for leave. */
  readonly asks: RegExp;
  /** Makes it ask for leave to run a command. */
  readonly askFor: (command: string) => string;
}

interface Place {
  readonly home: string;
  readonly cwd: string;
  /** Address of the model. */
  readonly url: string;
}

interface Recipe extends Pick<AgentCommand, 'ready' | 'asks'> {
  readonly word?: string;
  readonly flags: readonly string[];
  env(place: Place): Readonly<Record<string, string>>;
  /** Files by their paths in the agent's home. */
  files(place: Place): Readonly<Record<string, object | string>>;
}

const RECIPES: Readonly<Record<TerminalAgent, Recipe>> = {
  claude: {
    flags: ['--permission-mode', 'default'],
    ready: /^❯/m,
    asks: /Do you want to proceed\?/,
    env: ({ url }) => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'sk-none',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    }),
    files: ({ cwd }) => ({
      '.claude.json': {
        hasCompletedOnboarding: true,
        theme: 'dark',
        numStartups: 5,
        customApiKeyResponses: { approved: ['sk-none'], rejected: [] },
        projects: { [cwd]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
      },
    }),
  },
  codex: {
    // Otherwise the agent starts a server that outlives it.
    flags: ['--no-daemon'],
    ready: /^› /m,
    asks: /Press enter to confirm/,
    word: 'ASKTOOL',
    env: () => ({}),
    files: ({ url, cwd }) => ({
      '.codex/config.toml': [
        'model = "mock"',
        'model_provider = "mock"',
        'approval_policy = "on-request"',
        'sandbox_mode = "read-only"',
        'check_for_update_on_startup = false',
        '[analytics]',
        'enabled = false',
        '[model_providers.mock]',
        'name = "mock"',
        `base_url = "${url}/v1"`,
        'wire_api = "responses"',
        'request_max_retries = 0',
        'stream_max_retries = 0',
        `[projects."${cwd}"]`,
        'trust_level = "trusted"',
        '',
      ].join('\n'),
    }),
  },
  gemini: {
    // Otherwise a classifier chooses the model, and our model knows nothing of classifiers.
    flags: ['-m', 'gemini-2.5-flash'],
    ready: /Type your message/,
    asks: /Allow once/,
    env: ({ url }) => ({ GEMINI_API_KEY: 'none', GOOGLE_GEMINI_BASE_URL: url }),
    files: () => ({
      '.gemini/settings.json': {
        security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
        general: { enableAutoUpdate: false, disableUpdateNag: true },
        privacy: { usageStatisticsEnabled: false },
        ui: { hideTips: true },
      },
    }),
  },
  opencode: {
    flags: [],
    ready: /Ask anything/,
    asks: /Allow once/,
    env: () => ({
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    }),
    files: ({ url }) => ({
      '.config/opencode/opencode.json': {
        autoupdate: false,
        share: 'disabled',
        model: 'mock/small',
        small_model: 'mock/small',
        provider: {
          mock: {
            npm: '@ai-sdk/anthropic',
            name: 'mock',
            options: { baseURL: `${url}/v1`, apiKey: 'none' },
            models: { small: { name: 'small' } },
          },
        },
        permission: { bash: 'ask' },
      },
      // The agent silently installs a package for plugins into its configuration; no server answers at this address.
      '.npmrc': 'registry=http://127.0.0.1:9/\nfetch-retries=0\n',
    }),
  },
  qwen: {
    flags: ['--approval-mode', 'default'],
    ready: /Type your message/,
    asks: /Yes, allow once/,
    env: ({ url }) => ({ OPENAI_API_KEY: 'none', OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: 'mock' }),
    files: () => ({
      '.qwen/settings.json': {
        security: { auth: { selectedType: 'openai' }, folderTrust: { enabled: false } },
        general: { enableAutoUpdate: false },
        privacy: { usageStatisticsEnabled: false },
        ui: { hideTips: true },
      },
    }),
  },
};

/** `home`: is made, with the agent's settings in it and a folder `project` to work in. `url`: of the model. */
export async function agentInTerminal(name: TerminalAgent, home: string, url: string): Promise<AgentCommand> {
  const { flags, ready, asks, word = 'RUNTOOL', env, files } = RECIPES[name];
  const cwd = join(home, 'project');
  mkdirSync(cwd, { recursive: true });
  const place = { home, cwd, url };
  for (const [path, content] of Object.entries(files(place))) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return {
    argv: [await agentBinary(name), ...flags],
    env: { HOME: home, TMPDIR: home, USER: 'me', LOGNAME: 'me', ...env(place) },
    ...{ cwd, ready, asks },
    askFor: (command) => `${word} ${command}`,
  };
}
