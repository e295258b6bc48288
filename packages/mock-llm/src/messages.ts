// Anthropic's Messages: POST …/messages.

import { type Json, listOf, objectOf, stringOf } from './json.ts';
import { type Chunk, type Protocol, paced, type Reply, sse, textsOf, userInput } from './protocol.ts';
import type { InputPart } from './talk.ts';

export const messages: Protocol = {
  name: 'messages',
  read: (body) => ({
    model: stringOf(body.model),
    input: listOf(body.messages).flatMap(inputOf),
    tools: listOf(body.tools)
      // Those without a schema run at the provider.
      .filter((tool) => tool.input_schema !== undefined)
      .map((tool) => ({ name: stringOf(tool.name), schema: objectOf(tool.input_schema) })),
  }),
  isStream: (body) => body.stream === true,
  stream,
  whole: (reply) => ({
    ...head(reply),
    content: blocksOf(reply),
    stop_reason: reasonOf(reply),
    usage: { input_tokens: reply.usage.input, output_tokens: reply.usage.output },
  }),
  failure: (status, message) => ({
    type: 'error',
    error: {
      type: status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'api_error',
      message,
    },
  }),
};

/** A message of the user may hold results of tools, and behind them what the user said meanwhile. */
function inputOf({ role, content }: Json): InputPart[] {
  if (role === 'assistant') return [{ from: 'assistant' }];
  if (role !== 'user') return [];
  const results = listOf(content)
    .filter((block) => block.type === 'tool_result')
    .map((block): InputPart => ({ from: 'tool', text: textsOf(block.content).join('\n') }));
  return [...results, ...userInput(textsOf(content))];
}

const head = ({ id, model }: Reply): Json => ({
  id: `msg_${id}`,
  type: 'message',
  role: 'assistant',
  model,
  stop_sequence: null,
});

const reasonOf = ({ answer }: Reply): string => (answer.kind === 'tool' ? 'tool_use' : 'end_turn');

function blocksOf({ id, answer }: Reply): Json[] {
  if (answer.kind === 'text') {
    const thought =
      answer.thought === undefined ? [] : [{ type: 'thinking', thinking: answer.thought, signature: 'mock' }];
    return [...thought, { type: 'text', text: answer.deltas.join('') }];
  }
  const text = answer.text === undefined ? [] : [{ type: 'text', text: answer.text }];
  return [...text, { type: 'tool_use', id: `toolu_${id}`, name: answer.tool.name, input: answer.input }];
}

function* stream(reply: Reply): Iterable<Chunk> {
  const { answer, usage } = reply;
  const event = (type: string, data: Json, pauseMs = 0): Chunk => ({ text: sse({ type, ...data }, type), pauseMs });
  const start = { ...head(reply), content: [], stop_reason: null };
  yield event('message_start', { message: { ...start, usage: { input_tokens: usage.input, output_tokens: 1 } } });
  for (const [index, block] of blocksOf(reply).entries()) {
    const delta = (delta: Json, pauseMs = 0): Chunk => event('content_block_delta', { index, delta }, pauseMs);
    if (block.type === 'thinking') {
      yield event('content_block_start', { index, content_block: { ...block, thinking: '', signature: '' } });
      yield delta({ type: 'thinking_delta', thinking: block.thinking });
      yield delta({ type: 'signature_delta', signature: block.signature });
    } else if (block.type === 'text') {
      yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
      const deltas = answer.kind === 'text' ? paced(answer) : [[stringOf(block.text), 0] as const];
      for (const [text, pauseMs] of deltas) yield delta({ type: 'text_delta', text }, pauseMs);
    } else {
      yield event('content_block_start', { index, content_block: { ...block, input: {} } });
      yield delta({ type: 'input_json_delta', partial_json: JSON.stringify(block.input) });
    }
    yield event('content_block_stop', { index });
  }
  yield event('message_delta', {
    delta: { stop_reason: reasonOf(reply), stop_sequence: null },
    usage: { output_tokens: usage.output },
  });
  yield event('message_stop', {});
}
