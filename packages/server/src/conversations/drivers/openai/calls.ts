// The tool calls of a streamed chat completion: assembles the pieces and executes the calls.

import { BinnacleError, defined } from '@binnacle/protocol';
import { z } from 'zod';
import { unlessAborted } from '../../../base/abort.ts';
import type { DriverOut, TurnTool, TurnTools } from '../driver.ts';
import { cutText } from '../tool-text.ts';

/** Maximum calls in one answer of the model. */
const MAX_CALLS = 32;
const MAX_ARGUMENT_CHARS = 256 * 1024;
const MAX_NAME_CHARS = 200;

const text = z.string().nullish().catch(undefined);
export const CallPieces = z
  .array(
    z.object({ index: z.int().optional(), id: text, function: z.object({ name: text, arguments: text }).nullish() }),
  )
  .nullish();

export interface ModelCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export class CallReader {
  readonly #calls: { id: string; name: string; arguments: string }[] = [];
  #chars = 0;

  /** Adds pieces. Throws `agent_flood` beyond a limit. */
  read(pieces: z.output<typeof CallPieces>): void {
    for (const [at, piece] of (pieces ?? []).entries()) {
      const index = piece.index ?? at;
      if (index < 0 || index >= MAX_CALLS) throw flood(`The model called more than ${MAX_CALLS} tools at once.`);
      // Indexes arrive in order; a skipped index yields an empty call, which `take` drops.
      while (this.#calls.length <= index) this.#calls.push({ id: '', name: '', arguments: '' });
      const call = this.#calls[index];
      if (call === undefined) continue;
      // Some servers repeat id and name with each piece.
      if (call.id === '') call.id = (piece.id ?? '').slice(0, MAX_NAME_CHARS);
      if (call.name === '') call.name = (piece.function?.name ?? '').slice(0, MAX_NAME_CHARS);
      const more = piece.function?.arguments ?? '';
      this.#chars += more.length;
      if (this.#chars > MAX_ARGUMENT_CHARS) {
        throw flood(`The model passed more than ${MAX_ARGUMENT_CHARS} characters to tools at once.`);
      }
      call.arguments += more;
    }
  }

  take(): readonly ModelCall[] {
    return this.#calls.filter(({ name }) => name !== '').map((call, at) => ({ ...call, id: call.id || `call_${at}` }));
  }
}

const flood = (message: string): BinnacleError => new BinnacleError('agent_flood', { message });

/**
 * Executes one call. An error of the call is reported to the model, which may react to it. `id`: unique in the run.
 * Rejects when `signal` is aborted, whatever the tool does.
 */
export async function makeCall(
  id: string,
  { name, arguments: args }: ModelCall,
  tools: TurnTools,
  offered: readonly TurnTool[],
  out: DriverOut,
  signal: AbortSignal,
): Promise<string> {
  const known = offered.find((tool) => tool.name === name);
  const input = parsed(args);
  const call = { id, title: cutText(known?.title ?? name, 200), kind: 'other', ...defined({ input }) } as const;
  out.tool({ ...call, status: 'running' });
  try {
    if (known === undefined) throw new BinnacleError('not_found', { message: `There is no tool "${name}".` });
    if (input === undefined) throw new BinnacleError('bad_request', { message: 'The arguments are not JSON.' });
    const output = await unlessAborted(tools.call(name, input, signal), signal);
    out.tool({ ...call, status: 'done', output });
    return output;
  } catch (error) {
    if (signal.aborted) throw error;
    const output = error instanceof BinnacleError ? `${error.code}: ${error.message}` : 'internal: The tool failed.';
    out.tool({ ...call, status: 'failed', output });
    return output;
  }
}

/** Parses arguments; undefined for invalid JSON. */
function parsed(args: string): unknown {
  if (args.trim() === '') return {};
  try {
    return JSON.parse(args) as unknown;
  } catch {
    return undefined;
  }
}
