// An MCP server for one request of one caller: the tools and the resources. Made anew each time, so that nothing is
// lost when the gateway restarts between two of them.

import { allows, BinnacleError } from '@binnacle/protocol';
import { McpServer, type StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { VERSION } from '../version.ts';
import { failure } from './answers.ts';
import { parseArguments } from './arguments.ts';
import { addResources } from './resources.ts';
import { type Caller, TOOLS, type Tool } from './tools.ts';

const INSTRUCTIONS =
  'Runs shell commands in the background, each in a session of Binnacle that people can watch and steer. Start one ' +
  'with bash_start, read it with bash_output (pass next_offset as offset to read on), end it with bash_stop. A person ' +
  'may type into it, interrupt it or end it: bash_output tells what is so.';

/** `report`: of failures that are ours. */
export function makeMcpServer(caller: Caller, report: (error: unknown, tool: string) => void): McpServer {
  const server = new McpServer(
    { name: 'binnacle', title: 'Binnacle', version: VERSION },
    { instructions: INSTRUCTIONS },
  );
  for (const { name, title, description, annotations, takes, answers, ...tool } of TOOLS) {
    const config = { title, description, annotations, inputSchema: advertised(takes), outputSchema: answers };
    server.registerTool(name, config as typeof config & { outputSchema: StandardSchemaWithJSON }, async (given) => {
      try {
        require(caller, tool.scope, name);
        return await tool.run(parseArguments(takes, given), caller);
      } catch (error) {
        if (!(error instanceof BinnacleError) || error.code === 'internal') report(error, name);
        return failure(error);
      }
    });
  }
  addResources(server, caller);
  return server;
}

/** Listed as it is, and checked by us, who know the other names of the fields and have our own words for what is wrong. */
function advertised(takes: z.ZodType): StandardSchemaWithJSON<unknown, unknown> {
  const { jsonSchema, vendor } = (takes as unknown as StandardSchemaWithJSON)['~standard'];
  return { '~standard': { version: 1, vendor, jsonSchema, validate: (value) => ({ value }) } };
}

function require({ principal }: Caller, scope: Tool['scope'], name: string): void {
  if (allows(principal.scope, scope)) return;
  throw new BinnacleError('forbidden', {
    message: `${name} needs the scope "${scope}"; the token has "${principal.scope}".`,
    hint: `Use a token with the scope "${scope}".`,
    details: { needed: scope, held: principal.scope },
  });
}
