// The tools of plugins as drivers offer them to their models, with the hooks before and after each call.

import { BinnacleError } from '@binnacle/protocol';
import type { ToolHooks } from './guards.ts';
import type { PluginTool, PluginTools } from './tools.ts';

/** Maximum characters of a result that the hooks after the call get. */
const MAX_REPORTED_CHARS = 64 * 1024;

/** The tools for one agent. */
export class AgentTools {
  readonly #tools: PluginTools;
  readonly #hooks: ToolHooks;
  readonly #agent: string;

  constructor(tools: PluginTools, hooks: ToolHooks, agent: string) {
    this.#tools = tools;
    this.#hooks = hooks;
    this.#agent = agent;
  }

  list(): readonly PluginTool[] {
    return this.#tools.list();
  }

  /** Calls a tool. Rejects with the errors of `PluginTool.parse` and `run`, and with `vetoed`. */
  async call(name: string, args: unknown, signal: AbortSignal): Promise<string> {
    const tool = this.#tools.list().find((one) => one.name === name);
    if (tool === undefined) throw new BinnacleError('not_found', { message: `There is no tool "${name}".` });
    const call = { caller: this.#agent, via: 'driver' } as const;
    const input = tool.parse(args);
    const use = { tool: name, input, ...call };
    await this.#hooks.before(use);
    signal.throwIfAborted();
    const report = (isError: boolean, output: string): void =>
      this.#hooks.after?.(use, { isError, output: output.slice(0, MAX_REPORTED_CHARS) });
    try {
      const { text } = await tool.run(input, call);
      report(false, text);
      return text;
    } catch (error) {
      report(true, error instanceof Error ? error.message : '');
      throw error;
    }
  }
}
