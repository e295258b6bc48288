// A protocol request of either era, and its complete response. Loaded on the first request: the protocol package and
// its schemas use memory that a gateway without agents saves.

import type { ServerResponse } from 'node:http';
import { BinnacleError, defined } from '@binnacle/protocol';
import { createMcpHandler, type ServerEventBus } from '@modelcontextprotocol/server';
import { callerKeyOf } from '../../access/principal.ts';
import type { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import { type HttpResponse, json, respond, TAKEN_OVER } from '../http/http-response.ts';
import { EventStream } from '../stream/event-stream.ts';
import { failure } from './answers.ts';
import { makeMcpServer } from './server.ts';
import { Subscriber } from './subscriber.ts';
import type { Caller } from './tools.ts';

const LISTEN = 'subscriptions/listen';
/** JSON-RPC code of refusals, from the range for server errors. */
const REFUSED = -32000;

export interface McpExchange {
  readonly caller: Caller;
  /** Subscriptions in use per token. */
  readonly subscriptionLimit: ConcurrencyLimit;
  /** Reports internal failures. */
  report(error: unknown, tool: string): void;
  /** See `RouteContext.takeOver`. */
  takeOver(): ServerResponse;
}

/** Answers a request. `message`: the parsed body; undefined for invalid JSON. */
export async function answerMcp(request: Request, message: unknown, exchange: McpExchange): Promise<HttpResponse> {
  const { caller, report } = exchange;
  if (isObject(message) && message.method === LISTEN) return await listen(request, message, exchange);
  const handler = createMcpHandler((of) => makeMcpServer(caller, report, of), { maxSubscriptions: 0, keepAliveMs: 0 });
  try {
    const response = await handler.fetch(request, defined({ parsedBody: message }));
    if (asksForProgress(message) && isStream(response)) return await relay(response, exchange);
    // Buffered, so that a token that is revoked during a call gets no part of the response.
    return await wholeOf(response);
  } finally {
    await handler.close();
  }
}

/** Opens a stream per request, for the era without a handshake. It ends with its connection and leaves no state. */
async function listen(request: Request, message: McpMessage, exchange: McpExchange): Promise<HttpResponse> {
  const { caller, subscriptionLimit, report } = exchange;
  const who = callerKeyOf(caller.principal);
  const subscriber = new Subscriber(who, caller.seen, subscriptionLimit);
  let release = (): void => undefined;
  let stream: EventStream | undefined;
  const bus: ServerEventBus = {
    publish: () => undefined,
    subscribe: (listener) =>
      subscriber.connect({
        get isFull() {
          return stream?.isFull === true;
        },
        updated: (uri) => listener({ kind: 'resource_updated', uri }),
        // In this era such a stream has no log messages.
        log: () => undefined,
      }),
  };
  const handler = createMcpHandler((of) => makeMcpServer(caller, report, of), {
    maxSubscriptions: 1,
    keepAliveMs: 0,
    bus,
  });
  try {
    release = subscriptionLimit.take(who);
    const response = await handler.fetch(request, { parsedBody: restrictToVisible(message, subscriber) });
    if (!isStream(response)) return await wholeOf(response);
    return await relay(response, exchange, (opened) => {
      stream = opened;
      return () => subscriber.flush();
    });
  } catch (error) {
    if (!(error instanceof BinnacleError)) report(error, LISTEN);
    const { structuredContent } = failure(error);
    const wire = structuredContent as { readonly message: string };
    return json({
      jsonrpc: '2.0',
      id: message.id,
      error: { code: REFUSED, message: wire.message, data: wire },
    });
  } finally {
    release();
    subscriber.end();
    await handler.close();
  }
}

/**
 * Reduces the request to the resources that the caller may see: the acknowledgement names those. Throws
 * `too_many_subscriptions`.
 */
function restrictToVisible(message: McpMessage, subscriber: Subscriber): unknown {
  const { params } = message;
  const requested = isObject(params) ? params.notifications : undefined;
  if (!isObject(params) || !isObject(requested) || !Array.isArray(requested.resourceSubscriptions)) return message;
  const addresses = new Set<unknown>(requested.resourceSubscriptions);
  const resourceSubscriptions = [...addresses].filter((uri) => {
    // The protocol's own check refuses a resource that is not a string.
    if (typeof uri !== 'string') return true;
    try {
      subscriber.subscribe(uri);
      return true;
    } catch (error) {
      if (error instanceof BinnacleError && (error.code === 'session_not_found' || error.code === 'session_gone')) {
        return false;
      }
      throw error;
    }
  });
  return { ...message, params: { ...params, notifications: { ...requested, resourceSubscriptions } } };
}

/**
 * Relays an event stream with back-pressure. The connection is cut when the token is revoked. `opened` gets the stream
 * and returns the function that is called when there is room again.
 */
async function relay(
  response: Response,
  { caller, takeOver }: McpExchange,
  opened: (stream: EventStream) => () => void = () => () => undefined,
): Promise<HttpResponse> {
  const reader = response.body?.getReader();
  if (reader === undefined) return await wholeOf(response);
  const stream = new EventStream(takeOver(), caller.liveness);
  const hasRoom = opened(stream);
  let wake = (): void => undefined;
  stream.onRoom(() => {
    wake();
    hasRoom();
  });
  void stream.closed.then(() => {
    wake();
    return reader.cancel();
  });
  stream.ping();
  while (stream.isOpen) {
    const { done, value } = await reader.read();
    if (done) break;
    stream.write(value);
    if (stream.isFull && stream.isOpen) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  if (stream.isOpen) stream.finish();
  await stream.closed;
  return TAKEN_OVER;
}

const wholeOf = async (response: Response): Promise<HttpResponse> =>
  respond(await response.text(), { status: response.status, headers: Object.fromEntries(response.headers) });

type McpMessage = Readonly<Record<string, unknown>>;

function asksForProgress(message: unknown): boolean {
  // Checks a batch, one level deep: deeper nesting is not a message, and half a million levels would overflow the
  // stack.
  if (Array.isArray(message)) return message.some((one) => !Array.isArray(one) && asksForProgress(one));
  const params = isObject(message) ? message.params : undefined;
  const meta = isObject(params) ? params._meta : undefined;
  return isObject(meta) && meta.progressToken !== undefined;
}

const isStream = ({ body, headers }: Response): boolean =>
  body !== null && /^text\/event-stream/i.test(headers.get('content-type') ?? '');

const isObject = (value: unknown): value is McpMessage =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
