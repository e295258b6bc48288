// Tests what every MCP tool refuses, generated from the gateway's list of tools and their scopes in PROTOCOL.md.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Scope } from '@binnacle/protocol';
import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { Schema } from './contract.fixture.ts';
import { sampleOf, UNKNOWN_FIELD, wrongObjects } from './samples.fixture.ts';

interface ToolRow {
  readonly name: string;
  readonly inputSchema: Schema;
}
interface Answer {
  readonly isError: boolean;
  readonly code: string;
  readonly hint: string;
  readonly message: string;
}

let gateway: Gateway;
let tools: readonly ToolRow[];
beforeAll(async () => {
  gateway = await openGateway();
  tools = (await rpc('tools/list', {})).tools;
});

// biome-ignore lint/suspicious/noExplicitAny: a result of JSON-RPC.
async function rpc(method: string, params: object, token = gateway.token): Promise<any> {
  const { text } = await gateway.ask('/mcp', {
    ...{ token, body: { jsonrpc: '2.0', id: 1, method, params } },
    headers: { accept: 'application/json, text/event-stream' },
  });
  const [, data = text] = /^data: (.*)$/m.exec(text) ?? [];
  return JSON.parse(data).result;
}

async function call(name: string, args: unknown, token?: string): Promise<Answer> {
  const { isError = false, structuredContent = {} } = await rpc('tools/call', { name, arguments: args }, token);
  return { ...structuredContent, isError };
}

const same = (schema: Schema): Schema => schema;
/** Rules that the schema of a tool cannot express: one of two fields, names with a meaning. */
const FITTING: Readonly<Record<string, object>> = { bash_input: { text: 'x' }, bash_signal: { signal: 'SIGINT' } };
const sample = ({ name, inputSchema }: ToolRow): Record<string, unknown> => ({
  ...(sampleOf(inputSchema, same) as object),
  ...FITTING[name],
});

const protocol = readFileSync(resolve(import.meta.dirname, '../../PROTOCOL.md'), 'utf8');
/** Scope of a tool, by its row in the table of the protocol. */
const scopeOf = (tool: string): Scope | undefined =>
  new RegExp(`^\\| *\`${tool}\` *\\| *\`?(view|input|create|admin)\`? *\\|`, 'm').exec(protocol)?.[1] as
    | Scope
    | undefined;
const NARROWER: Readonly<Record<string, readonly Scope[]>> = { view: [], input: ['view'], create: ['view', 'input'] };

it('every tool takes its scope of the protocol and no lesser one, and names it', async () => {
  expect(tools.length).toBeGreaterThan(5);
  for (const tool of tools) {
    const scope = scopeOf(tool.name) ?? 'none';
    expect.soft([tool.name, Object.keys(NARROWER)]).toEqual([tool.name, expect.arrayContaining([scope])]);
    for (const held of NARROWER[scope] ?? []) {
      const { token } = await gateway.tokenOf(held);
      const { code, hint } = await call(tool.name, sample(tool), token);
      expect
        .soft([tool.name, held, code, hint])
        .toEqual([tool.name, held, 'forbidden', `Use a token with the scope "${scope}".`]);
    }
  }
});

it('every tool refuses fields that are missing, of another kind, over their limit, or not known', async () => {
  const faults: string[] = [];
  let count = 0;
  for (const tool of tools) {
    const wrong = [
      ...wrongObjects(tool.inputSchema, same, sample(tool)),
      { value: { ...sample(tool), [UNKNOWN_FIELD]: 1 }, why: UNKNOWN_FIELD },
      { value: [], why: 'a list' },
    ];
    for (const { value, why } of wrong) {
      // Null counts as left out (PROTOCOL.md, section 15).
      if (/that is null$/.test(why)) continue;
      // One key counts as a list of one.
      if (why === 'keys that is "text"') continue;
      const { isError, code } = await call(tool.name, value).catch(() => ({ isError: true, code: 'bad_request' }));
      if (!isError || code !== 'bad_request') faults.push(`${tool.name} with ${why}: ${code}`);
      count += 1;
    }
  }
  expect(faults).toEqual([]);
  expect(count).toBeGreaterThan(80);
});

it('every tool with an id says of one that never was that there is no such session', async () => {
  const withId = tools.filter(({ inputSchema }) => inputSchema.required?.includes('id'));
  expect(withId.length).toBeGreaterThan(4);
  for (const tool of withId) {
    expect.soft([tool.name, (await call(tool.name, sample(tool))).code]).toEqual([tool.name, 'session_not_found']);
  }
});
