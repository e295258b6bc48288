// OpenAI's Responses: POST …/responses.

import { type Json, listOf, objectOf, stringOf } from './json.ts';
import { type Chunk, type Protocol, paced, type Reply, sse, textsOf, userInput } from './protocol.ts';
import type { InputPart, Tool } from './talk.ts';

const OUTPUTS: ReadonlySet<unknown> = new Set([
  'function_call_output',
  'custom_tool_call_output',
  'local_shell_call_output',
]);

export const responses: Protocol = {
  name: 'responses',
  read: (body) => ({
    model: stringOf(body.model),
    input: typeof body.input === 'string' ? userInput([body.input]) : listOf(body.input).flatMap(inputOf),
    tools: listOf(body.tools).flatMap((tool) => toolsOf(tool)),
  }),
  isStream: (body) => body.stream === true,
  stream,
  whole: (reply) => responseOf(reply, 'completed', outputOf(reply)),
  failure: (status, message) => ({ error: { type: status < 500 ? 'invalid_request_error' : 'server_error', message } }),
};

function inputOf(item: Json): InputPart[] {
  if (OUTPUTS.has(item.type)) return [{ from: 'tool', text: resultOf(item.output) }];
  if (item.type !== undefined && item.type !== 'message') return [];
  if (item.role === 'user') return userInput(textsOf(item.content));
  return item.role === 'assistant' ? [{ from: 'assistant' }] : [];
}

/** Text, blocks of text, or (older agents) an object with the text in `content`. */
function resultOf(output: unknown): string {
  const texts = textsOf(output);
  return texts.length > 0 ? texts.join('\n') : (textsOf(objectOf(output).content)[0] ?? JSON.stringify(output ?? ''));
}

function toolsOf(tool: Json, namespace?: string): Tool[] {
  const group = namespace === undefined ? {} : { namespace };
  if (tool.type === 'function') return [{ name: stringOf(tool.name), schema: objectOf(tool.parameters), ...group }];
  if (tool.type === 'custom') return [{ name: stringOf(tool.name), schema: null, ...group }];
  if (tool.type === 'namespace') return listOf(tool.tools).flatMap((one) => toolsOf(one, stringOf(tool.name)));
  return [];
}

function responseOf({ id, model, usage }: Reply, status: 'in_progress' | 'completed', output: readonly Json[]): Json {
  const counted = {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.input + usage.output,
  };
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: 0,
    status,
    error: null,
    incomplete_details: null,
    model,
    output,
    parallel_tool_calls: false,
    tool_choice: 'auto',
    usage: status === 'completed' ? counted : null,
  };
}

const messageOf = (id: string, text: string): Json => ({
  type: 'message',
  id: `msg_${id}`,
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});

function outputOf({ id, answer }: Reply): Json[] {
  if (answer.kind === 'text') {
    const thought = answer.thought === undefined ? [] : [reasoningOf(id, answer.thought)];
    return [...thought, messageOf(id, answer.deltas.join(''))];
  }
  return [...(answer.text === undefined ? [] : [messageOf(id, answer.text)]), callOf(id, answer.tool, answer.input)];
}

const reasoningOf = (id: string, text: string): Json => ({
  type: 'reasoning',
  id: `rs_${id}`,
  summary: [{ type: 'summary_text', text }],
});

function callOf(id: string, { name, namespace }: Tool, input: Json | string): Json {
  const common = {
    call_id: `call_${id}`,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    status: 'completed',
  };
  return typeof input === 'string'
    ? { type: 'custom_tool_call', id: `ctc_${id}`, ...common, input }
    : { type: 'function_call', id: `fc_${id}`, ...common, arguments: JSON.stringify(input) };
}

function* stream(reply: Reply): Iterable<Chunk> {
  let n = 0;
  const event = (type: string, data: Json, pauseMs = 0): Chunk => ({
    text: sse({ type, sequence_number: n++, ...data }, type),
    pauseMs,
  });
  yield event('response.created', { response: responseOf(reply, 'in_progress', []) });
  const output = outputOf(reply);
  for (const [output_index, item] of output.entries()) {
    const at = { item_id: item.id, output_index };
    yield event('response.output_item.added', { output_index, item: begunOf(item) });
    if (item.type === 'reasoning') yield* reasoning(item, at, event);
    else if (item.type === 'message') yield* message(reply, item, at, event);
    else if (item.type === 'function_call') {
      yield event('response.function_call_arguments.delta', { ...at, delta: item.arguments });
      yield event('response.function_call_arguments.done', { ...at, arguments: item.arguments });
    } else {
      yield event('response.custom_tool_call_input.delta', { ...at, delta: item.input });
      yield event('response.custom_tool_call_input.done', { ...at, input: item.input });
    }
    yield event('response.output_item.done', { output_index, item });
  }
  yield event('response.completed', { response: responseOf(reply, 'completed', output) });
}

type MakeEvent = (type: string, data: Json, pauseMs?: number) => Chunk;

function* reasoning(item: Json, at: Json, event: MakeEvent): Iterable<Chunk> {
  const part = listOf(item.summary)[0] ?? {};
  const where = { ...at, summary_index: 0 };
  yield event('response.reasoning_summary_part.added', { ...where, part: { ...part, text: '' } });
  yield event('response.reasoning_summary_text.delta', { ...where, delta: part.text });
  yield event('response.reasoning_summary_text.done', { ...where, text: part.text });
  yield event('response.reasoning_summary_part.done', { ...where, part });
}

function* message({ answer }: Reply, item: Json, at: Json, event: MakeEvent): Iterable<Chunk> {
  const part = listOf(item.content)[0] ?? {};
  const where = { ...at, content_index: 0 };
  yield event('response.content_part.added', { ...where, part: { ...part, text: '' } });
  const deltas = answer.kind === 'text' ? paced(answer) : [[stringOf(part.text), 0] as const];
  for (const [delta, pauseMs] of deltas) yield event('response.output_text.delta', { ...where, delta }, pauseMs);
  yield event('response.output_text.done', { ...where, text: part.text });
  yield event('response.content_part.done', { ...where, part });
}

/** As it is before anything of it has come. */
function begunOf(item: Json): Json {
  const begun = { ...item, status: 'in_progress' };
  if (item.type === 'message') return { ...begun, content: [] };
  if (item.type === 'reasoning') return { ...begun, summary: [] };
  return item.type === 'function_call' ? { ...begun, arguments: '' } : { ...begun, input: '' };
}
