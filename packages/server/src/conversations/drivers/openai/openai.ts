// The driver `openai`: any server with OpenAI's chat completions, streamed over HTTP. The gateway stores the history,
// and executes the tool calls of the model.

import { BinnacleError, defined } from '@binnacle/protocol';
import { z } from 'zod';
import type { AgentSettings, DriverOut, LocalDriver, LocalTurn, TurnEnd, TurnTool } from '../driver.ts';
import { cutError, cutText } from '../tool-text.ts';
import { CallPieces, CallReader, type ModelCall, makeCall } from './calls.ts';
import { SseReader } from './sse.ts';

/** Maximum bytes of an answer that is no stream, enough for any error message. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface OpenAiLimits {
  /** Maximum bytes of one line of the stream. Default 1 MiB; servers send one or a few words per line. */
  readonly maxLineBytes: number;
  /** Maximum bytes of the whole stream, with about 300 bytes of overhead per word. Default 64 MiB. */
  readonly maxAnswerBytes: number;
  /** Maximum requests per turn: each but the last may call tools. Default 16. */
  readonly maxRounds: number;
  /** Maximum characters of tool results per turn; each further request repeats them. Default 1 MiB. */
  readonly maxToolChars: number;
}
const LIMITS: OpenAiLimits = {
  maxLineBytes: 1024 * 1024,
  maxAnswerBytes: 64 * 1024 * 1024,
  maxRounds: 16,
  maxToolChars: 1024 * 1024,
};

const text = z.string().nullish().catch(undefined);
const Chunk = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: text, reasoning_content: text, reasoning: text, tool_calls: CallPieces }).nullish(),
        finish_reason: text,
      }),
    )
    .nullish(),
  usage: z
    .object({ prompt_tokens: z.number().optional(), completion_tokens: z.number().optional() })
    .nullish()
    .catch(undefined),
  error: z.unknown().optional(),
});

export const openaiDriver: LocalDriver = makeOpenAiDriver();

export function makeOpenAiDriver(limits: Partial<OpenAiLimits> = {}): LocalDriver {
  const all = { ...LIMITS, ...limits };
  return {
    name: 'openai',
    kind: 'local',
    steer: ['queue', 'interrupt'],
    approvals: false,
    run: (agent, turn, out, signal) => runTurn(agent, turn, out, signal, all),
  };
}

async function runTurn(
  agent: AgentSettings,
  turn: LocalTurn,
  out: DriverOut,
  signal: AbortSignal,
  limits: OpenAiLimits,
): Promise<void> {
  const url = addressOf(agent);
  const key = keyOf(agent);
  let end: TurnEnd;
  try {
    const request = (body: object): Promise<Response> => ask(url, key, body, signal);
    end = await converse(agent, turn, { request, out, signal, limits });
  } catch (error) {
    if (signal.aborted) end = { kind: 'cancelled' };
    else if (error instanceof BinnacleError) throw error;
    else end = { kind: 'failed', message: `The connection to ${url.host} failed: ${causeOf(error)}` };
  }
  out.ended(end);
}

interface ModelExchange {
  request(body: object): Promise<Response>;
  readonly out: DriverOut;
  readonly signal: AbortSignal;
  readonly limits: OpenAiLimits;
}

/** Repeats the request with the results of tools, as long as the model calls any. */
async function converse(agent: AgentSettings, turn: LocalTurn, talk: ModelExchange): Promise<TurnEnd> {
  const { out, signal, limits } = talk;
  const messages: object[] = [...messagesOf(agent, turn)];
  const total: TokenTotal = { inputTokens: 0, outputTokens: 0 };
  let chars = 0;
  for (let round = 1; ; round += 1) {
    // Listed for each request, because the grants may have changed.
    const offered = agent.tools === false ? [] : turn.tools.list();
    if (round > 1) out.paragraph();
    const answer = await answerOf(await talk.request(bodyOf(agent, messages, offered)), out, limits, total);
    if ('kind' in answer) {
      const isUnclear = answer.kind === 'failed' && answer.hint === undefined && offered.length > 0;
      return isUnclear
        ? { ...answer, hint: 'If its model knows no tools, set "tools" of the agent to false.' }
        : answer;
    }
    if (round >= limits.maxRounds) {
      return { kind: 'failed', message: `The model still called tools in its answer number ${round}.` };
    }
    messages.push(callingOf(answer));
    for (const [at, call] of answer.calls.entries()) {
      const content = await makeCall(`${turn.id}:${round}.${at + 1}`, call, turn.tools, offered, out, signal);
      chars += content.length;
      if (chars > limits.maxToolChars) {
        return { kind: 'failed', message: `Its tools answered with more than ${limits.maxToolChars} characters.` };
      }
      messages.push({ role: 'tool', tool_call_id: call.id, content });
    }
  }
}

interface TokenTotal {
  inputTokens: number;
  outputTokens: number;
}

/** The model's text before its tool calls, and the calls. */
interface ModelReply {
  readonly text: string;
  readonly calls: readonly ModelCall[];
}

const callingOf = ({ text, calls }: ModelReply): object => ({
  role: 'assistant',
  content: text === '' ? null : text,
  tool_calls: calls.map(({ id, name, arguments: args }) => ({
    id,
    type: 'function',
    // Servers parse the arguments as JSON in the next request.
    function: { name, arguments: isJson(args) ? args : '{}' },
  })),
});

function ask(url: URL, key: string | undefined, body: object, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(body),
    // A redirect would pass on the key and the conversation to another server.
    redirect: 'manual',
    signal,
  });
}

function messagesOf({ instructions }: AgentSettings, { history, text: prompt }: LocalTurn): readonly object[] {
  const system = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  const earlier = history.map(({ role, text: content }) => ({ role, content }));
  return [...system, ...earlier, { role: 'user', content: prompt }];
}

function bodyOf({ model }: AgentSettings, messages: readonly object[], offered: readonly TurnTool[]): object {
  const tools = offered.map(({ name, description, input: parameters }) => ({
    type: 'function',
    function: { name, description, parameters },
  }));
  return {
    ...defined({ model }),
    messages,
    // Omitted without tools, because some servers do not know the field.
    ...(tools.length === 0 ? {} : { tools }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

async function answerOf(
  response: Response,
  out: DriverOut,
  limits: OpenAiLimits,
  total: TokenTotal,
): Promise<TurnEnd | ModelReply> {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    await response.body?.cancel();
    return {
      kind: 'failed',
      message: `The server sends us elsewhere (${status}): ${cutText(headers.get('location') ?? 'it does not say where', 300)}`,
      hint: 'Redirects are not followed. Set "url" of the agent to where it leads, if you trust it.',
    };
  }
  const type = headers.get('content-type') ?? '';
  if (status !== 200 || !type.includes('text/event-stream')) {
    const reason = errorText(await beginningOf(response));
    if (status === 200) {
      return {
        kind: 'failed',
        message: `The server answered with ${type === '' ? 'no type' : cutText(type, 100)} instead of a stream: ${reason}`,
        hint: 'Is "url" the address that /chat/completions is put behind, e.g. http://127.0.0.1:11434/v1?',
      };
    }
    const hint = hintOf(status, headers.get('retry-after'));
    return { kind: 'failed', message: `The server answered ${status}: ${reason}`, ...defined({ hint }) };
  }
  return readStream(response, out, limits, total);
}

async function readStream(
  response: Response,
  out: DriverOut,
  limits: OpenAiLimits,
  total: TokenTotal,
): Promise<TurnEnd | ModelReply> {
  const reader = new SseReader(limits);
  const pieces = new CallReader();
  const before = { ...total };
  let text = '';
  const finish = (reason: string | undefined): TurnEnd | ModelReply => {
    const calls = pieces.take();
    if (calls.length > 0) return { text, calls };
    return { kind: 'done', ...defined({ stopReason: reason }) };
  };
  let stopReason: string | undefined;
  // A web stream is iterable in Node; leaving the loop cancels the stream, and thereby the request.
  for await (const bytes of response.body ?? []) {
    for (const data of reader.read(bytes)) {
      if (data === '[DONE]') return finish(stopReason);
      const chunk = parse(data);
      if (chunk === undefined)
        return { kind: 'failed', message: `The server sent an invalid chunk: ${cutError(data)}` };
      if (chunk.error !== undefined && chunk.error !== null) {
        return { kind: 'failed', message: `The server failed in the middle: ${errorText(data)}` };
      }
      const [choice] = chunk.choices ?? [];
      const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '';
      out.delta(thought, 'thought');
      out.delta(choice?.delta?.content ?? '');
      text += choice?.delta?.content ?? '';
      pieces.read(choice?.delta?.tool_calls);
      stopReason = choice?.finish_reason ?? stopReason;
      const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = chunk.usage ?? {};
      if (inputTokens !== undefined || outputTokens !== undefined) {
        // Sum over all requests of the turn.
        total.inputTokens = before.inputTokens + (inputTokens ?? 0);
        total.outputTokens = before.outputTokens + (outputTokens ?? 0);
        out.usage({
          ...(inputTokens === undefined ? {} : { inputTokens: total.inputTokens }),
          ...(outputTokens === undefined ? {} : { outputTokens: total.outputTokens }),
        });
      }
    }
  }
  // Some servers omit [DONE]; but without a stop reason the answer is incomplete.
  if (stopReason !== undefined) return finish(stopReason);
  return { kind: 'failed', message: 'The stream of the server broke off in the middle of the answer.' };
}

function parse(data: string): z.output<typeof Chunk> | undefined {
  try {
    return Chunk.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

function isJson(args: string): boolean {
  try {
    JSON.parse(args);
    return true;
  } catch {
    return false;
  }
}

function addressOf({ id, url }: AgentSettings): URL {
  const hint = 'Set "url" to what /chat/completions is put behind, e.g. "https://api.openai.com/v1".';
  if (url === undefined) {
    throw new BinnacleError('bad_request', { message: `The agent "${id}" has the driver "openai" and no url.`, hint });
  }
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (
    address === undefined ||
    !/^https?:$/.test(address.protocol) ||
    address.username !== '' ||
    address.password !== ''
  ) {
    throw new BinnacleError('bad_request', {
      message: `The url of the agent "${id}" is not an http or https address without a user in it.`,
      hint,
    });
  }
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/chat/completions`;
  return address;
}

function keyOf({ id, apiKeyEnv }: AgentSettings): string | undefined {
  if (apiKeyEnv === undefined) return undefined;
  const key = process.env[apiKeyEnv];
  if (key !== undefined && key !== '') return key;
  throw new BinnacleError('bad_request', {
    message: `The key of the agent "${id}" is not there: the gateway has no ${apiKeyEnv} in its environment.`,
    hint: `Start the gateway with ${apiKeyEnv} set, or remove apiKeyEnv for a server that needs no key.`,
  });
}

function hintOf(status: number, retryAfter: string | null): string | undefined {
  if (status === 401 || status === 403)
    return 'Check the key: the variable that apiKeyEnv names, as the gateway sees it.';
  if (status === 404) return 'Check "url" and "model" of the agent.';
  if (status === 429) {
    return retryAfter === null ? 'Send it again later.' : `Send it again in ${cutText(retryAfter, 40)} seconds.`;
  }
  return status >= 500 ? 'Send it again later.' : undefined;
}

async function beginningOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, MAX_ERROR_BYTES).toString();
}

/** Returns a server's error text, without the surrounding JSON if its format is known. */
function errorText(body: string): string {
  return cutError(messageOf(body) ?? (body.trim() === '' ? 'nothing' : body.trim()));
}

function messageOf(body: string): string | undefined {
  const Message = z.object({ message: z.string() });
  try {
    const json: unknown = JSON.parse(body);
    const nested = z.object({ error: z.union([z.string(), Message]) }).safeParse(json);
    if (nested.success) return typeof nested.data.error === 'string' ? nested.data.error : nested.data.error.message;
    return Message.safeParse(json).data?.message;
  } catch {
    return undefined;
  }
}

/** Returns the actual error: fetch says only "fetch failed", and the cause has the reason. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { cause } = error;
  // The first of several addresses that were tried.
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return cutError(first instanceof Error ? first.message : error.message);
}
