// Hooks before and after tool calls, and tools of plugins, as interfaces for MCP.

import { BinnacleError } from '@binnacle/protocol';
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { ConcurrencyLimit } from '../../base/concurrency-limit.ts';

/** Maximum characters of a tool's output that hooks receive. */
const MAX_HOOK_CHARS = 64 * 1024;

export interface GuardedCall {
  readonly tool: string;
  /** Parsed input: validated, with the canonical field names and the defaults. */
  readonly input: unknown;
  readonly caller: string;
  readonly via: 'mcp';
}

export interface ToolGuard {
  /** Asks the hooks. Undefined without hooks: the call proceeds at once. Rejects with `vetoed`. */
  before(use: GuardedCall): Promise<void> | undefined;
  /** Notifies the hooks; undefined without hooks. Never throws. */
  readonly after:
    | ((use: GuardedCall, outcome: { readonly isError: boolean; readonly output: string }) => void)
    | undefined;
}

/** A tool of a plugin. All its texts are the plugin's own. */
export interface McpPluginTool {
  /** Unique among all tools, including the gateway's. */
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly readOnly: boolean;
  /** Parses the arguments. Throws `bad_request`. */
  parse(args: unknown): Readonly<Record<string, unknown>>;
  run(
    input: Readonly<Record<string, unknown>>,
    call: { readonly caller: string; readonly via: 'mcp' },
  ): Promise<{ readonly text: string; readonly data: Readonly<Record<string, unknown>> | undefined }>;
}

export interface ToolSource {
  /** Lists the tools that are granted now. */
  list(): readonly McpPluginTool[];
}

/** The caller of a tool. */
interface ToolCaller {
  readonly principal: { readonly id: string; readonly name: string };
  readonly guard: ToolGuard;
  readonly calls: ConcurrencyLimit;
  readonly signal: AbortSignal;
}

/** Runs a tool between its hooks. A failure of the tool becomes a result. Throws only before the tool has run. */
export async function runGuarded(
  tool: string,
  input: unknown,
  { principal, guard, calls, signal }: ToolCaller,
  run: () => Promise<CallToolResult>,
  failed: (error: unknown) => CallToolResult,
): Promise<CallToolResult> {
  const toolCall: GuardedCall = { tool, input, caller: principal.name, via: 'mcp' };
  const verdict = guard.before(toolCall);
  if (verdict !== undefined) {
    await calls.run(principal.id, () => verdict);
    // The caller has disconnected or lost access meanwhile.
    if (signal.aborted) throw new BinnacleError('connection_lost');
  }
  const result = await run().catch(failed);
  const { after } = guard;
  after?.(toolCall, { isError: result.isError === true, output: textOf(result) });
  return result;
}

const textOf = ({ content }: CallToolResult): string =>
  content
    .flatMap((part) => (part.type === 'text' ? [part.text] : []))
    .join('\n')
    .slice(0, MAX_HOOK_CHARS);
