// How agents are told of `binnacle mcp`: what to type, or to put into their settings.

import { resolve } from 'node:path';

/** `data`: as it was given, where it was. */
export function printMcpConfig(data: string | undefined): string {
  const args = ['mcp', ...(data === undefined ? [] : ['--data', resolve(data)])];
  const words = ['binnacle', ...args].map(quoted).join(' ');
  const settings = { mcpServers: { binnacle: { command: 'binnacle', args } } };
  return `Claude Code:

  claude mcp add binnacle -- ${words}

Codex (~/.codex/config.toml):

  [mcp_servers.binnacle]
  command = "binnacle"
  args = ${JSON.stringify(args)}
  tool_timeout_sec = 60

Others (mcpServers in their settings):

${JSON.stringify(settings, null, 2).replace(/^/gm, '  ')}

Over HTTP: the address of the gateway with /mcp, and the header "Authorization: Bearer TOKEN".
To let an agent do less than you may, make it a token (binnacle token create agent --scope create) and set
BINNACLE_URL and BINNACLE_TOKEN for it. Scopes: view reads, input types and signals, create starts and ends.
`;
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
