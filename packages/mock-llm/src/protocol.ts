// The shape of one protocol: how its requests are read and its answers written. Knows no socket.

import type { Json } from './json.ts';
import type { Answer, InputPart, ModelRequest, Usage } from './talk.ts';

/** One thing on the wire of a stream. `pauseMs`: waited for before it. */
export interface Chunk {
  readonly text: string;
  readonly pauseMs?: number;
}

export interface Reply {
  /** Different for each request, the same in each run of a test. */
  readonly id: string;
  readonly model: string;
  readonly answer: Exclude<Answer, { readonly kind: 'fail' }>;
  readonly usage: Usage;
}

export interface Protocol {
  readonly name: 'responses' | 'chat' | 'messages' | 'gemini';
  read(body: Json, path: string): ModelRequest;
  isStream(body: Json, url: URL): boolean;
  /** `url`: of the request. */
  stream(reply: Reply, url: URL): Iterable<Chunk>;
  readonly streamType?: (url: URL) => string;
  whole(reply: Reply): Json;
  failure(status: number, message: string): Json;
}

export const sse = (data: unknown, event?: string): string =>
  `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

/** The deltas of a text, each with the pause before it. */
export function* paced(answer: Extract<Answer, { readonly kind: 'text' }>): Iterable<readonly [string, number]> {
  for (const [i, delta] of answer.deltas.entries()) yield [delta, i === 0 ? 0 : (answer.pauseMs ?? 0)];
}

/**
 * Agents put blocks of their own beside what a person wrote (`<system-reminder>…</system-reminder>`,
 * `<environment_context>…`); what the person wrote comes last.
 */
const OWN = /^\s*<([a-z][\w -]*)>[\s\S]*<\/\1>\s*$/i;

export function userInput(texts: readonly string[]): InputPart[] {
  const text = texts.findLast((one) => one.trim() !== '' && !OWN.test(one));
  return text === undefined ? [] : [{ from: 'user', text }];
}

/** The text of content that is a string or a list of blocks with a `text`. */
export function textsOf(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content.flatMap((block: unknown) =>
    typeof block === 'object' && block !== null && 'text' in block && typeof block.text === 'string'
      ? [block.text]
      : typeof block === 'string'
        ? [block]
        : [],
  );
}
