// The tools of plugins as agents see them: unique names, validated arguments, and results of a limited size.

import { createHash } from 'node:crypto';
import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';
import { checkToolInput } from './tool-schema.ts';

/** Maximum length of a name that models and agents accept. */
const MAX_NAME = 64;
const DIGEST_CHARS = 12;
/** Maximum time of a call. Clients time out after 10 to 60 s; most of them get the answer within this limit. */
const CALL_MS = 25_000;
const MAX_ANSWER_BYTES = 256 * 1024;

/** A tool that was in force when it was listed. */
export interface PluginTool {
  readonly name: string;
  readonly plugin: string;
  readonly title: string | undefined;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Claim of the plugin, not verified. */
  readonly readOnly: boolean;
  /** Validates arguments. Throws `bad_request`. */
  parse(input: unknown): Readonly<Record<string, unknown>>;
  /** Runs the tool with validated arguments. Rejects with `permission_denied`, and the errors of `OfferInForce.invoke`. */
  run(input: Readonly<Record<string, unknown>>, call: PluginToolCall): Promise<PluginToolAnswer>;
}

export interface PluginToolCall {
  /** Name of the token, or of the agent. */
  readonly caller: string;
  readonly via: 'mcp' | 'driver';
}

export interface PluginToolAnswer {
  readonly text: string;
  /** The result if it is an object; `text` is then its JSON. */
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

const Answer = z.union([z.string(), z.record(z.string(), z.unknown())]);

export class PluginTools {
  readonly #offers: Offers;

  constructor(offers: Offers) {
    this.#offers = offers;
  }

  /** Returns the tools that are granted now. */
  list(): readonly PluginTool[] {
    const tools = new Map<string, PluginTool>();
    for (const offered of this.#offers.inForce('tool')) {
      const name = toolNameOf(offered.plugin, offered.offer.name);
      // Only a plugin itself could produce a duplicate, and only of its own names.
      if (!tools.has(name)) tools.set(name, this.#toolOf(name, offered));
    }
    return [...tools.values()];
  }

  #toolOf(name: string, { plugin, offer }: OfferInForce<OfferOf<'tool'>>): PluginTool {
    return {
      name,
      plugin,
      title: offer.title,
      description: offer.description,
      input: offer.input,
      readOnly: offer.readOnly,
      parse: (input) => checkToolInput(offer.input, input),
      run: async (input, call) => {
        // Checked again: hooks may have taken time, and the grant may have been revoked meanwhile.
        const now = this.#offers.inForce('tool').find((one) => one.plugin === plugin && one.offer.name === offer.name);
        if (now === undefined) {
          throw new BinnacleError('plugin_stopped', {
            message: `The tool ${name} is no longer offered.`,
            details: { plugin },
          });
        }
        return answerOf(now, await now.invoke({ input, ...call }, CALL_MS));
      },
    };
  }
}

/**
 * Returns the unique name of a tool. A plugin id contains no `_`, so the first `_` ends the id. A long name is cut and
 * ends with `__` and a digest; no other name looks like that, because the name of a tool begins with a letter.
 */
export function toolNameOf(plugin: string, tool: string): string {
  const name = `${plugin}_${tool}`;
  if (name.length <= MAX_NAME) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_CHARS);
  return `${name.slice(0, MAX_NAME - DIGEST_CHARS - 2)}__${digest}`;
}

function answerOf(tool: OfferInForce<OfferOf<'tool'>>, answer: unknown): PluginToolAnswer {
  const read = Answer.safeParse(answer);
  if (!read.success) throw failed(tool, `it answered ${kindOf(answer)}: return a text or an object`);
  const text = typeof read.data === 'string' ? read.data : JSON.stringify(read.data);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_ANSWER_BYTES) throw failed(tool, `its answer has ${bytes} bytes; ${MAX_ANSWER_BYTES} are taken`);
  return { text, data: typeof read.data === 'string' ? undefined : read.data };
}

function failed({ plugin, offer, note }: OfferInForce<OfferOf<'tool'>>, why: string): BinnacleError {
  note(`The tool ${offer.name} failed: ${why}.`);
  return new BinnacleError('plugin_failed', {
    message: `${plugin}: ${why}.`,
    hint: `binnacle plugin logs ${plugin} shows its output.`,
    details: { plugin },
  });
}

function kindOf(answer: unknown): string {
  if (answer === undefined || answer === null) return 'nothing';
  return Array.isArray(answer) ? 'a list' : `a ${typeof answer}`;
}
