// What a request of any protocol comes down to, and what is answered: text in pieces, or a call of a tool. Knows no HTTP.

import type { Json } from './json.ts';

/** A tool that the request offers. */
export interface Tool {
  readonly name: string;
  /** JSON schema of its arguments; null of one that takes plain text (OpenAI's `custom`). */
  readonly schema: Json | null;
  /** OpenAI's group of tools that it is in. */
  readonly namespace?: string;
}

/** One piece of the conversation, oldest first. What the agent itself said before is left out. */
export type InputPart =
  | { readonly from: 'user'; readonly text: string }
  | { readonly from: 'tool'; readonly text: string }
  | { readonly from: 'assistant' };

/** A request, whatever protocol it came by. */
export interface ModelRequest {
  readonly model: string;
  readonly input: readonly InputPart[];
  readonly tools: readonly Tool[];
}

export interface Usage {
  readonly input: number;
  readonly output: number;
}

export type Answer =
  | {
      readonly kind: 'text';
      /** In the order in which they are sent. */
      readonly deltas: readonly string[];
      /** Sent before, where the protocol has a place for it. */
      readonly thought?: string;
      /** Before every delta but the first, in ms. Default 0. */
      readonly pauseMs?: number;
    }
  | {
      readonly kind: 'tool';
      readonly tool: Tool;
      /** An object, or the plain text of a tool without a schema. */
      readonly input: Json | string;
      /** Said before it is called. */
      readonly text?: string;
    }
  | { readonly kind: 'fail'; readonly status: number; readonly message: string };

/** Nobody's tokens, but more for more text, and the same each time. */
export function usageOf(request: ModelRequest, answer: Answer): Usage {
  const input = request.input.reduce((sum, part) => sum + (part.from === 'assistant' ? 0 : part.text.length), 0);
  const output =
    answer.kind === 'text'
      ? answer.deltas.join('').length
      : answer.kind === 'tool'
        ? JSON.stringify(answer.input).length
        : 0;
  return { input: Math.ceil(input / 4), output: Math.ceil(output / 4) };
}
