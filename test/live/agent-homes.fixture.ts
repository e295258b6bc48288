// The five pinned agents, each with a home of its own and a model that is ours. Nothing of the machine's agents is read.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentBinary } from '../../scripts/agents.mjs';
import { codexHome } from '../agents/codex.fixture.ts';
import { openCodeHome } from '../agents/opencode.fixture.ts';

export interface AgentHome {
  /** Entry of the agent in the config file. */
  readonly entry: {
    readonly driver: string;
    readonly command: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd: string;
  };
  readonly cwd: string;
  /** The word of the mock by which it calls its shell, and has to ask somebody. */
  readonly tool: 'RUNTOOL' | 'ASKTOOL';
  remove(): void;
}

/** `url`: of the model. Each asks before it runs a command. */
export const HOMES: Readonly<Record<string, (url: string) => Promise<AgentHome>>> = {
  codex: async (url) => {
    const { command, env, remove } = await codexHome(url, { asks: true });
    const { cwd, home, remove: removeWork } = workIn('codex');
    const entry = { driver: 'codex', command, env: { ...env, HOME: home }, cwd };
    const removeBoth = (): void => {
      remove();
      removeWork();
    };
    return { entry, cwd, tool: 'ASKTOOL', remove: removeBoth };
  },
  claude: async (url) => {
    const { cwd, home, remove } = workIn('claude');
    const env = {
      HOME: home,
      TMPDIR: home,
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'none',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    };
    const entry = { driver: 'claude-code', command: [await agentBinary('claude')], env, cwd };
    return { entry, cwd, tool: 'RUNTOOL', remove };
  },
  opencode: async (url) => {
    const { command, env, cwd, remove } = await openCodeHome(url);
    return { entry: { driver: 'acp', command, env, cwd }, cwd, tool: 'RUNTOOL', remove };
  },
  gemini: async (url) => {
    const { cwd, home, remove } = workIn('gemini', '.gemini', {
      security: { auth: { selectedType: 'gemini-api-key' } },
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
    });
    const env = {
      HOME: home,
      TMPDIR: home,
      GEMINI_API_KEY: 'none',
      GOOGLE_GEMINI_BASE_URL: url,
      // Otherwise it asks the model first which model to ask, and waits for an answer that our model does not give.
      GEMINI_MODEL: 'gemini-2.5-flash',
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
    };
    const command = [await agentBinary('gemini'), '--acp'];
    return { entry: { driver: 'acp', command, env, cwd }, cwd, tool: 'RUNTOOL', remove };
  },
  qwen: async (url) => {
    const { cwd, home, remove } = workIn('qwen', '.qwen', {
      security: { auth: { selectedType: 'openai' } },
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
      model: { name: 'mock' },
      tools: { approvalMode: 'default' },
    });
    const env = {
      HOME: home,
      TMPDIR: home,
      OPENAI_API_KEY: 'none',
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_MODEL: 'mock',
    };
    const command = [await agentBinary('qwen'), '--acp'];
    return { entry: { driver: 'acp', command, env, cwd }, cwd, tool: 'RUNTOOL', remove };
  },
};

function workIn(name: string, folder?: string, settings: object = {}) {
  const home = mkdtempSync(join(tmpdir(), `binnacle-${name}-`));
  const cwd = join(home, 'work');
  mkdirSync(cwd);
  if (folder !== undefined) {
    mkdirSync(join(home, folder));
    writeFileSync(join(home, folder, 'settings.json'), JSON.stringify(settings));
  }
  return { home, cwd, remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }) };
}
