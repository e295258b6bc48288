// How agents are told of `binnacle mcp`: what to type, or to put into their settings. Nothing in it needs a PATH, and no
// variable but those that are printed: agents start their servers with few.

import { realpathSync } from 'node:fs';
import { defaultDataDir } from '@binnacle/server/data-directory';
import { dataDir } from '../gateway/address.ts';

/** In the place of a token: that is not printed. */
const TOKEN = 'TOKEN';

export interface McpCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `script`: what `node` runs. `data`: as it was given, where it was. */
export function mcpCommand(script: string, data: string | undefined, env: NodeJS.ProcessEnv = process.env): McpCommand {
  // As `findGateway` chooses.
  const url = data === undefined ? nonEmpty(env.BINNACLE_URL) : undefined;
  const dir = dataDir(data, env);
  /** Without being told. */
  const isFound = url !== undefined || (data === undefined && dir === defaultDataDir({}));
  const variables = {
    ...(url === undefined ? {} : { BINNACLE_URL: url }),
    ...(nonEmpty(env.BINNACLE_TOKEN) === undefined ? {} : { BINNACLE_TOKEN: TOKEN }),
  };
  return {
    command: process.execPath,
    // A link in a folder of links may be made anew by the next install.
    args: [realpathSync(script), 'mcp', ...(isFound ? [] : ['--data', dir])],
    ...(Object.keys(variables).length === 0 ? {} : { env: variables }),
  };
}

export function printMcpConfig({ command, args, env = {} }: McpCommand): string {
  const variables = Object.entries(env);
  const flags = variables.map(([name, value]) => `--env ${quoted(`${name}=${value}`)} `).join('');
  const table = variables.map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ');
  const settings = { mcpServers: { binnacle: { command, args, ...(variables.length === 0 ? {} : { env }) } } };
  return `Claude Code:

  claude mcp add binnacle ${flags}-- ${[command, ...args].map(quoted).join(' ')}

Codex (~/.codex/config.toml):

  [mcp_servers.binnacle]
  command = ${JSON.stringify(command)}
  args = ${JSON.stringify(args)}
${table === '' ? '' : `  env = { ${table} }\n`}  tool_timeout_sec = 60

Others (mcpServers in their settings):

${JSON.stringify(settings, null, 2).replace(/^/gm, '  ')}

${Object.hasOwn(env, 'BINNACLE_TOKEN') ? `Put the token in for ${TOKEN}.\n` : ''}Over HTTP: the address of the gateway with /mcp, and the header "Authorization: Bearer TOKEN".
To let an agent do less than you may, make it a token (binnacle token create agent --scope create) and set
BINNACLE_URL and BINNACLE_TOKEN for it. Scopes: view reads, input types and signals, create starts and ends.
`;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
