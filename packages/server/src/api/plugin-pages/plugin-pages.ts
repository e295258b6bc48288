// The HTTP routes of plugins, at /plugins/:id/…. The gateway terminates HTTP; a plugin gets whole requests and returns
// whole responses, as data. Cookies are neither accepted nor set here.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { limiterKey } from '../../access/attempt-limit.ts';
import type { Auth } from '../../access/auth.ts';
import { headerValues } from '../../access/host-origin.ts';
import type { Log } from '../../base/logger.ts';
import { pathOf } from '../../base/request-path.ts';
import { type RateLimits, SenderRateLimit } from '../../traffic/rate-limit.ts';
import { readBody } from '../http/body.ts';
import type { HttpResponse } from '../http/http-response.ts';
import { type HttpMethod, type HttpRoute, type RouteContext, route, z } from '../http/routes.ts';
import { type PluginPageRequest, responseOf } from './page-answer.ts';
import { findPage, headersFor, type PluginPage, queryOf } from './page-request.ts';

/** A page of an active plugin. */
export interface OfferedPage {
  readonly plugin: string;
  readonly offer: PluginPage;
  /** Writes to the plugin's log: the reason why a response is invalid. */
  note(text: string): void;
  /** Rejects with `plugin_stopped`, `plugin_timeout`, `plugin_busy` or `plugin_failed`. */
  invoke(params: unknown, deadlineMs: number): Promise<unknown>;
}

export interface PluginPagesParts {
  /** Returns the active pages; called for every request. */
  offered(): readonly OfferedPage[];
  readonly auth: Pick<Auth, 'authorize' | 'assertLive'>;
  readonly log: Log;
  readonly limits?: Partial<PluginPageLimits>;
}

export interface PluginPageLimits {
  readonly bodyBytes: number;
  /** Maximum ms from the complete request to the plugin's response. */
  readonly answerMs: number;
  /**
   * Maximum requests in flight per plugin: half of the limit on all calls to a plugin, so that a flood of requests
   * cannot starve its hooks and tools.
   */
  readonly inFlight: number;
  /** Maximum requests in flight per plugin and token, or per address if no token is needed. */
  readonly inFlightOfOne: number;
  /** Maximum bytes of the bodies in flight. */
  readonly inFlightBytes: number;
  /** Maximum requests per plugin whose body is being received. */
  readonly arriving: number;
  /** Maximum such requests per plugin and address. */
  readonly arrivingOfOne: number;
  /** Rate limits per token, or per address if no token is needed. */
  readonly rates: RateLimits;
}

export const PLUGIN_PAGE_LIMITS: PluginPageLimits = {
  bodyBytes: 256 * 1024,
  answerMs: 10_000,
  inFlight: 32,
  inFlightOfOne: 16,
  inFlightBytes: 4 * 1024 * 1024,
  arriving: 128,
  arrivingOfOne: 32,
  // High enough for a proxy, whose single address stands for all its clients.
  rates: { eventsPerSecond: 50, bytesPerSecond: 4 * 1024 * 1024 },
};

const METHODS: readonly HttpMethod[] = ['get', 'post', 'put', 'patch', 'delete'];
const Params = z.object({ id: z.string(), rest: z.string().optional() });
/** Minimum interval between log lines about one plugin (throttle): clients can request a failing page at will. */
const LOG_EVERY_MS = 10_000;

export function pluginPages(parts: PluginPagesParts): HttpRoute[] {
  const pages = new PluginPages(parts);
  // The plugin's `/` is at both paths.
  return ['/plugins/:id', '/plugins/:id/*rest'].flatMap((path) =>
    METHODS.map((method) =>
      // The page decides whether a token is needed.
      route(method, path, 'public', {
        summary: 'What a plugin offers here.',
        // Pages depend on the installed plugins and change at run time; PROTOCOL.md describes what they have in common.
        hidden: true,
        params: Params,
        responses: {},
        handler: (context) => pages.answer(context.params, method.toUpperCase(), context),
      }),
    ),
  );
}

type PageContext = Pick<RouteContext, 'request' | 'base'>;

class PluginPages {
  readonly #parts: PluginPagesParts;
  readonly #limits: PluginPageLimits;
  readonly #rates: SenderRateLimit;
  readonly #arriving = new LoadCounters();
  readonly #inFlight = new LoadCounters();
  readonly #loggedAt = new Map<string, number>();

  constructor(parts: PluginPagesParts) {
    this.#parts = parts;
    this.#limits = { ...PLUGIN_PAGE_LIMITS, ...parts.limits };
    this.#rates = new SenderRateLimit(this.#limits.rates);
  }

  async answer(
    { id, rest = '' }: z.output<typeof Params>,
    method: string,
    { request, base }: PageContext,
  ): Promise<HttpResponse> {
    const found = findPage(
      this.#parts.offered().filter(({ plugin }) => plugin === id),
      method,
      `/${rest}`,
    );
    const isPublic = found?.page.offer.isPublic ?? false;
    const { auth } = this.#parts;
    // Checked before anything is revealed: without a token an unknown plugin looks like an installed one.
    const principal = isPublic ? undefined : auth.authorize(request, 'view', { cookies: false });
    if (found === undefined) throw new BinnacleError('not_found');
    refuseEmbedding(request);
    const address = limiterKey(request.socket.remoteAddress);
    const sender = principal?.id ?? address;
    this.#count(sender, 1, 0);
    const body = await this.#bodyOf(request, id, address);
    this.#count(sender, 0, body.length);
    // Checked again: reading a body takes time, and the token may have been revoked meanwhile.
    if (principal !== undefined) auth.assertLive(principal);
    const target = request.url ?? '';
    const path = pathOf(target);
    const { page, params } = found;
    const pageRequest = {
      method: page.offer.method,
      path: `/${rest}`,
      params,
      query: queryOf(target),
      headers: headersFor(request),
      body: body.toString('base64'),
      caller: principal?.name ?? null,
    };
    try {
      const result = await this.#invoke(page, pageRequest, body.length, sender);
      if (principal !== undefined) auth.assertLive(principal);
      return this.#responseOf(page, result, { plugin: id, base, path, isPublic });
    } catch (error) {
      throw this.#failure(error, page);
    }
  }

  #responseOf({ offer, note }: OfferedPage, result: unknown, pageRequest: PluginPageRequest): HttpResponse {
    try {
      return responseOf(result, pageRequest);
    } catch (error) {
      if (error instanceof BinnacleError) note(`${offer.method} ${offer.path}: ${error.message}`);
      throw error;
    }
  }

  async #bodyOf(request: IncomingMessage, plugin: string, address: string): Promise<Buffer> {
    const { arriving, arrivingOfOne, bodyBytes } = this.#limits;
    const all = this.#arriving.take(plugin, 0, { count: arriving, bytes: 0 });
    const one = this.#arriving.take(`${plugin} ${address}`, 0, { count: arrivingOfOne, bytes: 0 });
    try {
      if (all === undefined || one === undefined) throw pluginBusy(plugin);
      return await readBody(request, bodyBytes);
    } finally {
      all?.();
      one?.();
    }
  }

  async #invoke({ plugin, invoke }: OfferedPage, pageRequest: object, bytes: number, sender: string): Promise<unknown> {
    const { inFlight, inFlightOfOne, inFlightBytes, answerMs } = this.#limits;
    const all = this.#inFlight.take(plugin, bytes, { count: inFlight, bytes: inFlightBytes });
    const one = this.#inFlight.take(`${plugin} ${sender}`, bytes, { count: inFlightOfOne, bytes: inFlightBytes });
    try {
      if (all === undefined || one === undefined) throw pluginBusy(plugin);
      return await invoke(pageRequest, answerMs);
    } finally {
      all?.();
      one?.();
    }
  }

  #count(sender: string, requests: number, bytes: number): void {
    const retryAfterMs = this.#rates.take(sender, requests, bytes);
    if (retryAfterMs === 0) return;
    throw new BinnacleError('too_fast', {
      message: 'More requests to plugins come from here than may.',
      details: { retryAfterMs },
    });
  }

  /** Hides the plugin's own failure message on public pages. */
  #failure(error: unknown, { plugin, offer }: OfferedPage): unknown {
    if (!(error instanceof BinnacleError) || error.status < 500) return error;
    const now = performance.now();
    if (now - (this.#loggedAt.get(plugin) ?? Number.NEGATIVE_INFINITY) >= LOG_EVERY_MS) {
      this.#loggedAt.set(plugin, now);
      const { code, message } = error;
      this.#parts.log.warn(
        { plugin, method: offer.method, path: offer.path, code, message },
        'a route of a plugin failed',
      );
    }
    return offer.isPublic ? new BinnacleError(error.code) : error;
  }
}

const pluginBusy = (plugin: string): BinnacleError => new BinnacleError('plugin_busy', { details: { plugin } });

/**
 * Refuses requests that do not open the page directly. Browsers declare the purpose of a request. A plugin's response
 * is never served as a script, a style, a picture, a frame or a service worker of another page, whatever its content
 * type; and a cross-site fetch that cannot read the response can only do harm.
 */
function refuseEmbedding(request: IncomingMessage): void {
  const [dest = 'empty'] = headerValues(request, 'sec-fetch-dest');
  const [site = 'none'] = headerValues(request, 'sec-fetch-site');
  // A followed link and a redirect back from another site both open the page directly.
  if (dest === 'document' || (dest === 'empty' && (site === 'none' || site === 'same-origin'))) return;
  throw new BinnacleError('forbidden', {
    message: 'A page of a plugin cannot be a part of another page.',
    hint: 'Open it by itself.',
  });
}

/** Counters of concurrent use by key. */
class LoadCounters {
  readonly #loads = new Map<string, { count: number; bytes: number }>();

  /**
   * Reserves capacity. Returns the function that releases it, to be called once, or undefined over the limit. A single
   * request is always accepted.
   */
  take(key: string, bytes: number, most: { readonly count: number; readonly bytes: number }): (() => void) | undefined {
    const load = this.#loads.get(key) ?? { count: 0, bytes: 0 };
    if (load.count >= most.count || (load.count > 0 && load.bytes + bytes > most.bytes)) return undefined;
    load.count += 1;
    load.bytes += bytes;
    this.#loads.set(key, load);
    return () => {
      load.count -= 1;
      load.bytes -= bytes;
      if (load.count === 0) this.#loads.delete(key);
    };
  }
}
