// Who is asked before a tool call and told after it, and whose tools are offered besides ours: as MCP sees them. Knows
// no plugin.

import { BinnacleError } from '@binnacle/protocol';
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { AtOnce } from '../../base/concurrency-limit.ts';

/** Of what a tool answered, so much is told. */
const MAX_TOLD_CHARS = 64 * 1024;

export interface ToolUse {
  readonly tool: string;
  /** As it is done: checked, under the names of our own fields, with the defaults. */
  readonly input: unknown;
  readonly caller: string;
  readonly via: 'mcp';
}

export interface ToolGuard {
  /** Undefined: nobody wants to know, and nothing waits. Rejects with `vetoed`. */
  before(use: ToolUse): Promise<void> | undefined;
  /** Where somebody wants to know. Never throws. */
  readonly after: ((use: ToolUse, outcome: { readonly isError: boolean; readonly output: string }) => void) | undefined;
}

/** A tool that is not ours. All that it says is its own words. */
export interface GivenTool {
  /** No other one has it, and none of ours. */
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly readOnly: boolean;
  /** Throws `bad_request`. */
  parse(given: unknown): Readonly<Record<string, unknown>>;
  run(
    input: Readonly<Record<string, unknown>>,
    call: { readonly caller: string; readonly via: 'mcp' },
  ): Promise<{ readonly text: string; readonly data: Readonly<Record<string, unknown>> | undefined }>;
}

export interface ToolSource {
  /** Those that are granted now. */
  list(): readonly GivenTool[];
}

/** For whom a tool is called. */
interface Asking {
  readonly principal: { readonly id: string; readonly name: string };
  readonly guard: ToolGuard;
  readonly calls: AtOnce;
  readonly signal: AbortSignal;
}

/** What goes wrong is an answer, too. Throws what was wrong before the tool was called: nothing is done then. */
export async function guarded(
  tool: string,
  input: unknown,
  { principal, guard, calls, signal }: Asking,
  run: () => Promise<CallToolResult>,
  failed: (error: unknown) => CallToolResult,
): Promise<CallToolResult> {
  const use: ToolUse = { tool, input, caller: principal.name, via: 'mcp' };
  const verdict = guard.before(use);
  if (verdict !== undefined) {
    await calls.during(principal.id, () => verdict);
    // Whoever asked has hung up meanwhile, or may not ask any more.
    if (signal.aborted) throw new BinnacleError('connection_lost');
  }
  const result = await run().catch(failed);
  const { after } = guard;
  after?.(use, { isError: result.isError === true, output: textOf(result) });
  return result;
}

const textOf = ({ content }: CallToolResult): string =>
  content
    .flatMap((part) => (part.type === 'text' ? [part.text] : []))
    .join('\n')
    .slice(0, MAX_TOLD_CHARS);
