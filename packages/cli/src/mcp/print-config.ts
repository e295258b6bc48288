// Instructions for adding `binnacle mcp` to agents: commands and settings. They need no PATH and no variables except
// the printed ones: agents start their servers with few variables.

import { realpathSync } from 'node:fs';
import { defined, shellWord } from '@binnacle/protocol';
import { defaultDataDir } from '@binnacle/server/data-directory';
import { dataDir } from '../gateway/address.ts';

/** Placeholder for the token, which is not printed. */
const TOKEN = 'TOKEN';

export interface McpCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Builds the command. `script`: the script that `node` runs. `data`: the given --data. */
export function mcpCommand(script: string, data: string | undefined, env: NodeJS.ProcessEnv = process.env): McpCommand {
  // Same precedence as in `findGateway`.
  const url = data === undefined ? nonEmpty(env.BINNACLE_URL) : undefined;
  const dir = dataDir(data, env);
  /** True if the command finds the gateway without options. */
  const isFound = url !== undefined || (data === undefined && dir === defaultDataDir({}));
  const variables = {
    ...defined({ BINNACLE_URL: url }),
    ...(nonEmpty(env.BINNACLE_TOKEN) === undefined ? {} : { BINNACLE_TOKEN: TOKEN }),
  };
  return {
    command: process.execPath,
    // Resolved, because an install may replace a link.
    args: [realpathSync(script), 'mcp', ...(isFound ? [] : ['--data', dir])],
    ...(Object.keys(variables).length === 0 ? {} : { env: variables }),
  };
}

export function printMcpConfig({ command, args, env = {} }: McpCommand): string {
  const variables = Object.entries(env);
  const flags = variables.map(([name, value]) => `--env ${shellWord(`${name}=${value}`)} `).join('');
  const table = variables.map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ');
  const settings = { mcpServers: { binnacle: { command, args, ...(variables.length === 0 ? {} : { env }) } } };
  return `Claude Code:

  claude mcp add binnacle ${flags}-- ${[command, ...args].map(shellWord).join(' ')}

Codex (~/.codex/config.toml):

  [mcp_servers.binnacle]
  command = ${JSON.stringify(command)}
  args = ${JSON.stringify(args)}
${table === '' ? '' : `  env = { ${table} }\n`}  tool_timeout_sec = 60

Others (mcpServers in their settings):

${JSON.stringify(settings, null, 2).replace(/^/gm, '  ')}

${Object.hasOwn(env, 'BINNACLE_TOKEN') ? `Replace ${TOKEN} with the token.\n` : ''}Over HTTP: the address of the gateway with /mcp, and the header "Authorization: Bearer TOKEN".
To let an agent do less than you may, create a token for it (binnacle token create agent --scope create) and set
BINNACLE_URL and BINNACLE_TOKEN. Scopes: view reads, input types and signals, create starts and ends.
`;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
