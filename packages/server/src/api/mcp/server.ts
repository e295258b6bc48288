// An MCP server for one request of one caller: tools, resources and prompts. Created per request, so that a restart of
// the gateway between two requests loses nothing.

import { allows, BinnacleError, defined } from '@binnacle/protocol';
import {
  type CallToolResult,
  completable,
  type McpRequestContext,
  McpServer,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { VERSION } from '../../base/version.ts';
import { failure } from './answers.ts';
import { parseArguments } from './arguments.ts';
import { ToolProgress } from './progress.ts';
import { uriOf } from './resource-uri.ts';
import { addResources, reportErrors } from './resources.ts';
import { type McpPluginTool, runGuarded } from './tool-guard.ts';
import { type Caller, TOOLS, type Tool } from './tools.ts';

const INSTRUCTIONS =
  'Runs shell commands in the background, each in a session of Binnacle that people can watch and steer. Start one ' +
  'with bash_start, read it with bash_output (pass next_offset as offset to read on), end it with bash_stop. A person ' +
  'may type into it, interrupt it or end it: bash_output tells what is so.';

/** Lists have no change notifications: clients read them again when they need them. */
const CAPABILITIES = {
  tools: { listChanged: false },
  resources: { listChanged: false, subscribe: true },
  prompts: { listChanged: false },
};

/**
 * Scope for tools of plugins. Applies to tools that claim to be read-only, too: the claim is the plugin's own, and a
 * caller that may only view must not start anything through it.
 */
const PLUGIN_TOOL_SCOPE = 'create';
/** Reserved prefix: a plugin's tool cannot pass for a tool of the gateway. */
const OWN_NAMES = /^bash_/;

/** Creates the server. `report` receives internal failures. */
export function makeMcpServer(
  caller: Caller,
  report: (error: unknown, tool: string) => void,
  { era }: Pick<McpRequestContext, 'era'>,
): McpServer {
  const isHandshake = era === 'legacy';
  const server = new McpServer(
    { name: 'binnacle', title: 'Binnacle', version: VERSION },
    { instructions: INSTRUCTIONS, capabilities: { ...CAPABILITIES, ...(isHandshake ? { logging: {} } : {}) } },
  );
  const failed = (error: unknown, name: string): CallToolResult => {
    if (!(error instanceof BinnacleError) || error.code === 'internal') report(error, name);
    return failure(error);
  };
  for (const { name, title, description, annotations, takes, answers, ...tool } of TOOLS) {
    const config = { title, description, annotations, inputSchema: advertisedSchema(takes), outputSchema: answers };
    server.registerTool(
      name,
      config as typeof config & { outputSchema: StandardSchemaWithJSON },
      async (args, context) => {
        const fail = (error: unknown) => failed(error, name);
        const progress = new ToolProgress(name, context);
        try {
          requireScope(caller, tool.scope, name);
          const parsed = parseArguments(takes, args);
          return await runGuarded(name, parsed, caller, () => tool.run(parsed, caller, progress), fail);
        } catch (error) {
          return fail(error);
        } finally {
          progress.stop();
        }
      },
    );
  }
  for (const tool of caller.others.list()) {
    if (!OWN_NAMES.test(tool.name)) addPluginTool(server, tool, caller, (error) => failed(error, tool.name));
  }
  addResources(server, caller);
  addPrompts(server, caller);
  if (isHandshake) addConnection(server, caller);
  return server;
}

/** Adds handlers that keep state between requests. Without a handshake, `subscriptions/listen` takes their place. */
function addConnection({ server }: McpServer, caller: Caller): void {
  server.setRequestHandler('resources/subscribe', async ({ params: { uri } }) => {
    await reportErrors(uri, async () => caller.connection().subscriber.subscribe(uri));
    return {};
  });
  server.setRequestHandler('resources/unsubscribe', async ({ params: { uri } }) => {
    await reportErrors(uri, async () => caller.connection().subscriber.unsubscribe(uri));
    return {};
  });
  server.setRequestHandler('logging/setLevel', async ({ params: { level } }) => {
    await reportErrors('', async () => {
      caller.connection().level = level;
    });
    return {};
  });
}

function addPluginTool(
  server: McpServer,
  { name, title, description, input, readOnly, parse, run }: McpPluginTool,
  caller: Caller,
  fail: (error: unknown) => CallToolResult,
): void {
  const config = {
    ...defined({ title }),
    description,
    // The only annotation that a plugin declares.
    annotations: { readOnlyHint: readOnly },
    inputSchema: jsonSchemaOf('plugin', () => ({ ...input })),
  };
  server.registerTool(name, config, async (args, context) => {
    const progress = new ToolProgress(name, context);
    try {
      const { principal, calls } = caller;
      requireScope(caller, PLUGIN_TOOL_SCOPE, name);
      const parsed = parse(args);
      const call = async (): Promise<CallToolResult> => {
        const { text, data } = await run(parsed, { caller: principal.name, via: 'mcp' });
        return { content: [{ type: 'text', text }], ...(data === undefined ? {} : { structuredContent: { ...data } }) };
      };
      return await runGuarded(name, parsed, caller, () => calls.run(principal.id, call), fail);
    } catch (error) {
      return fail(error);
    } finally {
      progress.stop();
    }
  });
}

/**
 * Advertises the schema but skips the SDK's validation: the tools accept aliases of fields and have their own error
 * messages.
 */
function advertisedSchema(takes: z.ZodType): StandardSchemaWithJSON<unknown, unknown> {
  const { jsonSchema, vendor } = (takes as unknown as StandardSchemaWithJSON)['~standard'];
  return { '~standard': { version: 1, vendor, jsonSchema, validate: (value) => ({ value }) } };
}

function jsonSchemaOf(vendor: string, json: () => Record<string, unknown>): StandardSchemaWithJSON<unknown, unknown> {
  const jsonSchema = { input: json, output: json };
  return { '~standard': { version: 1, vendor, jsonSchema, validate: (value) => ({ value }) } };
}

function requireScope({ principal }: Caller, scope: Tool['scope'], name: string): void {
  if (allows(principal.scope, scope)) return;
  throw new BinnacleError('forbidden', {
    message: `${name} needs the scope "${scope}"; the token has "${principal.scope}".`,
    hint: `Use a token with the scope "${scope}".`,
    details: { needed: scope, held: principal.scope },
  });
}

/** Maximum proposed ids: a list to choose from. */
const PROPOSED = 20;
/** Maximum sessions searched for proposals, newest first. */
const MAX_SEARCHED = 200;

function addPrompts(server: McpServer, caller: Caller): void {
  const argsSchema = z.object({
    id: completable(z.string().max(200).describe('The id of the session.'), (value) => idsLike(value, caller)),
  });
  server.registerPrompt(
    'session',
    {
      title: 'Look at a session',
      description: 'Reads the output of a session, and reports its status and what it waits for.',
      argsSchema,
    },
    async ({ id }) => {
      const { info } = await reportErrors(uriOf(id, 'output'), async () => caller.seen.get(id));
      const text =
        `Read the output of the session ${info.id} with bash_output, and its screen with bash_screen where it has one. ` +
        'Say in a few sentences what runs there, how far it is, and whether it waits for somebody. Type nothing into it.';
      return { messages: [{ role: 'user', content: { type: 'text', text } }] };
    },
  );
}

/** Finds ids by prefix, or by a part of the session's name. */
async function idsLike(value: string, { seen }: Caller): Promise<string[]> {
  const { sessions } = await seen.list({ limit: MAX_SEARCHED });
  const part = value.toLowerCase();
  return sessions
    .filter(({ id, name }) => id.startsWith(value) || name.toLowerCase().includes(part))
    .slice(0, PROPOSED)
    .map(({ id }) => id);
}
