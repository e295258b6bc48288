// One HTTP request to the gateway, and its failures as BinnacleError. Knows no session.

import { BinnacleError, defined, isCode, type WireError } from '@binnacle/protocol';
import type { Settings } from './options.ts';

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
  /** Sent as it is, instead of `body`. */
  readonly bytes?: Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** Added to the time that a request may take, ms: for long polls. */
  readonly waitMs?: number;
  /** Ends it, with `unreachable`. */
  readonly signal?: AbortSignal;
}

export class Http {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The answer's JSON; undefined for 204. */
  async json<T>(request: HttpRequest): Promise<T> {
    return await this.send(request, async (response) =>
      response.status === 204 ? (undefined as T) : ((await response.json()) as T),
    );
  }

  /** Throws what the gateway answered, or `unreachable`. `read` runs within the time limit too. */
  async send<T>(request: HttpRequest, read: (response: Response) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    if (request.signal?.aborted === true) stop();
    request.signal?.addEventListener('abort', stop);
    try {
      return await this.#timed(request, abort, async () => await read(await this.#fetch(request, abort.signal)));
    } finally {
      request.signal?.removeEventListener('abort', stop);
    }
  }

  /** An answer that streams until `abort`; the time limit is for its beginning. Throws like `send`. */
  async open(request: HttpRequest, abort: AbortController): Promise<Response> {
    return await this.#timed(request, abort, () => this.#fetch(request, abort.signal));
  }

  /** A part of an answer that streams. Throws `unreachable` where it is cut off. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw new BinnacleError('unreachable', { cause: error, details: { url: this.#settings.base } });
    }
  }

  async #timed<T>({ waitMs = 0 }: HttpRequest, abort: AbortController, act: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => abort.abort(), this.#settings.requestTimeoutMs + waitMs);
    try {
      return await act();
    } catch (error) {
      if (error instanceof BinnacleError) throw error;
      throw new BinnacleError('unreachable', { cause: error, details: { url: this.#settings.base } });
    } finally {
      clearTimeout(timer);
    }
  }

  async #fetch(request: HttpRequest, signal: AbortSignal): Promise<Response> {
    const { base } = this.#settings;
    const headers = { ...this.#settings.headers, ...request.headers };
    const url = new URL(base + request.path);
    for (const [name, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const response = await this.#settings.fetch(url.href, {
      method: request.method ?? 'GET',
      headers: request.body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...defined({ body: request.bytes }),
      // A streamed body is sent before the answer, and fetch wants that declared.
      ...(request.bytes instanceof ReadableStream ? { duplex: 'half' } : {}),
    });
    if (!response.ok) throw await failure(response);
    return response;
  }
}

async function failure(response: Response): Promise<BinnacleError> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    const wire = (body as { error?: WireError } | null)?.error;
    if (wire !== undefined && typeof wire.code === 'string' && isCode(wire.code)) return BinnacleError.fromWire(wire);
  } catch {
    // Not JSON: a proxy answered, and its status is all there is.
  }
  const details = { status: response.status };
  if (response.status === 401) return new BinnacleError('unauthorized', { details });
  if (response.status === 404) return new BinnacleError('not_found', { details });
  return new BinnacleError([502, 503, 504].includes(response.status) ? 'unreachable' : 'internal', { details });
}
