// OpenAI's chat completions: POST …/chat/completions.

import { type Json, listOf, objectOf, stringOf } from './json.ts';
import { type Chunk, type Protocol, paced, type Reply, sse, textsOf, userInput } from './protocol.ts';
import type { InputPart, Usage } from './talk.ts';

export const chat: Protocol = {
  name: 'chat',
  read: (body) => ({
    model: stringOf(body.model),
    input: listOf(body.messages).flatMap(inputOf),
    tools: listOf(body.tools).map((tool) => {
      const { name, parameters } = objectOf(tool.function);
      return { name: stringOf(name), schema: objectOf(parameters) };
    }),
  }),
  isStream: (body) => body.stream === true,
  stream,
  whole: (reply) => ({
    ...head(reply, 'chat.completion'),
    choices: [{ index: 0, message: messageOf(reply), finish_reason: reasonOf(reply), logprobs: null }],
    usage: usageOf(reply.usage),
  }),
  failure: (status, message) => ({ error: { message, type: 'mock_error', param: null, code: String(status) } }),
};

function inputOf(message: Json): InputPart[] {
  if (message.role === 'tool') return [{ from: 'tool', text: textsOf(message.content).join('\n') }];
  if (message.role === 'user') return userInput(textsOf(message.content));
  return message.role === 'assistant' ? [{ from: 'assistant' }] : [];
}

const head = ({ id, model }: Reply, object: string): Json => ({ id: `chatcmpl-${id}`, object, created: 0, model });
const reasonOf = ({ answer }: Reply): string => (answer.kind === 'tool' ? 'tool_calls' : 'stop');
const usageOf = ({ input, output }: Usage): Json => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
});

function messageOf({ id, answer }: Reply): Json {
  const role = 'assistant';
  if (answer.kind === 'tool') return { role, content: answer.text ?? null, tool_calls: [callOf(id, answer)] };
  const thought = answer.thought === undefined ? {} : { reasoning_content: answer.thought };
  return { role, content: answer.deltas.join(''), ...thought };
}

const callOf = (id: string, { tool, input }: Extract<Reply['answer'], { readonly kind: 'tool' }>): Json => ({
  id: `call_${id}`,
  type: 'function',
  function: { name: tool.name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
});

/** The usage comes in any case: who did not ask for it passes over a chunk without choices. */
function* stream(reply: Reply): Iterable<Chunk> {
  const { id, answer } = reply;
  const chunk = (delta: Json, finish_reason: string | null = null, pauseMs = 0): Chunk => ({
    text: sse({ ...head(reply, 'chat.completion.chunk'), choices: [{ index: 0, delta, finish_reason }] }),
    pauseMs,
  });
  yield chunk({ role: 'assistant', content: '' });
  if (answer.kind === 'text') {
    if (answer.thought !== undefined) yield chunk({ reasoning_content: answer.thought });
    for (const [content, pauseMs] of paced(answer)) yield chunk({ content }, null, pauseMs);
  } else {
    if (answer.text !== undefined) yield chunk({ content: answer.text });
    yield chunk({ tool_calls: [{ index: 0, ...callOf(id, answer) }] });
  }
  yield chunk({}, reasonOf(reply));
  yield { text: sse({ ...head(reply, 'chat.completion.chunk'), choices: [], usage: usageOf(reply.usage) }) };
  yield { text: 'data: [DONE]\n\n' };
}
