// Google's Gemini: POST …/models/<model>:streamGenerateContent and :generateContent.

import { type Json, listOf, objectOf, stringOf } from './json.ts';
import { type Chunk, type Protocol, paced, type Reply, sse, textsOf, userInput } from './protocol.ts';
import type { InputPart } from './talk.ts';

/** Without `alt=sse` the stream is one JSON list, element by element. */
const isSse = (url: URL): boolean => url.searchParams.get('alt') === 'sse';

export const gemini: Protocol = {
  name: 'gemini',
  read: (body, path) => ({
    model: /models\/([^/:]+):/.exec(path)?.[1] ?? '',
    input: listOf(body.contents).flatMap(inputOf),
    tools: listOf(body.tools).flatMap((group) =>
      listOf(group.functionDeclarations).map((tool) => ({
        name: stringOf(tool.name),
        schema: objectOf(tool.parametersJsonSchema ?? tool.parameters),
      })),
    ),
  }),
  isStream: (_, url) => url.pathname.endsWith(':streamGenerateContent'),
  streamType: (url) => (isSse(url) ? 'text/event-stream' : 'application/json'),
  stream,
  whole: (reply) => responseOf(reply, partsOf(reply), 'STOP'),
  failure: (status, message) => ({
    error: { code: status, message, status: status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL' },
  }),
};

function inputOf({ role, parts }: Json): InputPart[] {
  if (role === 'model') return [{ from: 'assistant' }];
  const results = listOf(parts).flatMap((part): InputPart[] => {
    if (part.functionResponse === undefined) return [];
    const { output, error, content } = objectOf(objectOf(part.functionResponse).response);
    return [{ from: 'tool', text: stringOf(output) || stringOf(error) || stringOf(content) || JSON.stringify(part) }];
  });
  return [...results, ...userInput(textsOf(parts))];
}

function partsOf({ answer }: Reply): Json[] {
  if (answer.kind === 'text') {
    const thought = answer.thought === undefined ? [] : [{ text: answer.thought, thought: true }];
    return [...thought, { text: answer.deltas.join('') }];
  }
  const text = answer.text === undefined ? [] : [{ text: answer.text }];
  return [...text, { functionCall: { name: answer.tool.name, args: objectOf(answer.input) } }];
}

const responseOf = ({ id, model, usage }: Reply, parts: readonly Json[], finishReason?: 'STOP'): Json => ({
  candidates: [
    { index: 0, content: { role: 'model', parts }, ...(finishReason === undefined ? {} : { finishReason }) },
  ],
  usageMetadata: {
    promptTokenCount: usage.input,
    candidatesTokenCount: usage.output,
    totalTokenCount: usage.input + usage.output,
  },
  modelVersion: model,
  responseId: id,
});

function* stream(reply: Reply, url: URL): Iterable<Chunk> {
  const asSse = isSse(url);
  let isFirst = true;
  for (const [json, pauseMs] of responsesOf(reply)) {
    const text = asSse ? sse(json) : `${isFirst ? '[' : ',\n'}${JSON.stringify(json)}`;
    isFirst = false;
    yield { text, pauseMs };
  }
  if (!asSse) yield { text: ']' };
}

function* responsesOf(reply: Reply): Iterable<readonly [Json, number]> {
  const { answer } = reply;
  if (answer.kind === 'tool') {
    yield [responseOf(reply, partsOf(reply), 'STOP'), 0];
    return;
  }
  if (answer.thought !== undefined) yield [responseOf(reply, [{ text: answer.thought, thought: true }]), 0];
  for (const [text, pauseMs] of paced(answer)) yield [responseOf(reply, [{ text }]), pauseMs];
  yield [responseOf(reply, [{ text: '' }], 'STOP'), 0];
}
