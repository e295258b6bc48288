// The HTTP routes of plugins, at /plugins/:id/…: the gateway ends HTTP here, and a plugin sees whole requests and gives
// whole answers, as data. No cookie counts here and none is set. Knows no process.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { limiterKey } from '../../access/attempt-limit.ts';
import type { Auth } from '../../access/auth.ts';
import { headerValues } from '../../access/host-origin.ts';
import type { Log } from '../../base/logger.ts';
import { pathOf } from '../../base/request-path.ts';
import { type RateLimits, Rates } from '../../traffic/rate-limit.ts';
import { readBody } from '../http/body.ts';
import { type Method, type Route, type RouteContext, route, z } from '../http/routes.ts';
import { type Asked, responseOf } from './page-answer.ts';
import { findPage, headersFor, type PluginPage, queryOf } from './page-request.ts';

/** One that is in force. */
export interface OfferedPage {
  readonly plugin: string;
  readonly offer: PluginPage;
  /** For the log of the plugin: what is wrong with an answer of it. */
  note(text: string): void;
  /** Rejects with `plugin_stopped`, `plugin_timeout`, `plugin_busy` or `plugin_failed`. */
  invoke(params: unknown, deadlineMs: number): Promise<unknown>;
}

export interface PluginPagesParts {
  /** Asked for every request. */
  offered(): readonly OfferedPage[];
  readonly auth: Pick<Auth, 'authorize' | 'assertLive'>;
  readonly log: Log;
  readonly limits?: Partial<PluginPageLimits>;
}

export interface PluginPageLimits {
  readonly bodyBytes: number;
  /** From the whole request until the plugin's answer. */
  readonly answerMs: number;
  /**
   * Requests that one plugin has and has not answered: half of what may be on its way to it, so that no flood of requests
   * keeps its hooks and its tools from it.
   */
  readonly inFlight: number;
  /** The same of one token, or of one address where none is needed. */
  readonly inFlightOfOne: number;
  /** Of their bodies. */
  readonly inFlightBytes: number;
  /** Requests to one plugin whose body is on its way here. */
  readonly arriving: number;
  /** The same of one address. */
  readonly arrivingOfOne: number;
  /** Of one token, or of one address where none is needed. */
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
  // A proxy in front of us is one address for all who come through it.
  rates: { eventsPerSecond: 50, bytesPerSecond: 4 * 1024 * 1024 },
};

const METHODS: readonly Method[] = ['get', 'post', 'put', 'patch', 'delete'];
const Params = z.object({ id: z.string(), rest: z.string().optional() });
/** A failing page can be asked for as often as one likes: no more lines of one plugin in our log than one in so long. */
const TELL_EVERY_MS = 10_000;

export function pluginPages(parts: PluginPagesParts): Route[] {
  const pages = new PluginPages(parts);
  // `/` of a plugin is at both.
  return ['/plugins/:id', '/plugins/:id/*rest'].flatMap((path) =>
    METHODS.map((method) =>
      route({
        method,
        path,
        // Its page says whether a token is needed.
        scope: 'public',
        summary: 'What a plugin offers here.',
        // There are as many as plugins offer, and other ones tomorrow: PROTOCOL.md tells what they have in common.
        hidden: true,
        params: Params,
        responses: {},
        handler: (context) => pages.answer(context.params, method.toUpperCase(), context),
      }),
    ),
  );
}

type Asking = Pick<RouteContext, 'request' | 'base'>;

class PluginPages {
  readonly #parts: PluginPagesParts;
  readonly #limits: PluginPageLimits;
  readonly #rates: Rates;
  readonly #arriving = new Loads();
  readonly #inFlight = new Loads();
  readonly #toldAt = new Map<string, number>();

  constructor(parts: PluginPagesParts) {
    this.#parts = parts;
    this.#limits = { ...PLUGIN_PAGE_LIMITS, ...parts.limits };
    this.#rates = new Rates(this.#limits.rates);
  }

  async answer(
    { id, rest = '' }: z.output<typeof Params>,
    method: string,
    { request, base }: Asking,
  ): Promise<Response> {
    const found = findPage(
      this.#parts.offered().filter(({ plugin }) => plugin === id),
      method,
      `/${rest}`,
    );
    const isPublic = found?.page.offer.isPublic ?? false;
    const { auth } = this.#parts;
    // Before anything is told: without a token a plugin that is not there looks like one that is.
    const principal = isPublic ? undefined : auth.authorize(request, 'view', { cookies: false });
    if (found === undefined) throw new BinnacleError('not_found');
    refuseEmbedding(request);
    const address = limiterKey(request.socket.remoteAddress);
    const sender = principal?.id ?? address;
    this.#count(sender, 1, 0);
    const body = await this.#bodyOf(request, id, address);
    this.#count(sender, 0, body.length);
    // A body takes its time, and the token may have been revoked meanwhile.
    if (principal !== undefined) auth.assertLive(principal);
    const target = request.url ?? '';
    const path = pathOf(target);
    const { page, params } = found;
    const asked = {
      method: page.offer.method,
      path: `/${rest}`,
      params,
      query: queryOf(target),
      headers: headersFor(request),
      body: body.toString('base64'),
      caller: principal?.name ?? null,
    };
    try {
      const given = await this.#invoke(page, asked, body.length, sender);
      if (principal !== undefined) auth.assertLive(principal);
      return this.#responseOf(page, given, { plugin: id, base, path, isPublic });
    } catch (error) {
      throw this.#failure(error, page);
    }
  }

  #responseOf({ offer, note }: OfferedPage, given: unknown, asked: Asked): Response {
    try {
      return responseOf(given, asked);
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
      if (all === undefined || one === undefined) throw busy(plugin);
      return await readBody(request, bodyBytes);
    } finally {
      all?.();
      one?.();
    }
  }

  async #invoke({ plugin, invoke }: OfferedPage, asked: object, bytes: number, sender: string): Promise<unknown> {
    const { inFlight, inFlightOfOne, inFlightBytes, answerMs } = this.#limits;
    const all = this.#inFlight.take(plugin, bytes, { count: inFlight, bytes: inFlightBytes });
    const one = this.#inFlight.take(`${plugin} ${sender}`, bytes, { count: inFlightOfOne, bytes: inFlightBytes });
    try {
      if (all === undefined || one === undefined) throw busy(plugin);
      return await invoke(asked, answerMs);
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

  /** What a plugin says of its own failure is for those whom we know. */
  #failure(error: unknown, { plugin, offer }: OfferedPage): unknown {
    if (!(error instanceof BinnacleError) || error.status < 500) return error;
    const now = performance.now();
    if (now - (this.#toldAt.get(plugin) ?? Number.NEGATIVE_INFINITY) >= TELL_EVERY_MS) {
      this.#toldAt.set(plugin, now);
      const { code, message } = error;
      this.#parts.log.warn(
        { plugin, method: offer.method, path: offer.path, code, message },
        'a route of a plugin failed',
      );
    }
    return offer.isPublic ? new BinnacleError(error.code) : error;
  }
}

const busy = (plugin: string): BinnacleError => new BinnacleError('plugin_busy', { details: { plugin } });

/**
 * A browser that opens an address or fetches it says so. As a script, a style, a picture, a frame or a service worker of
 * another page nothing of a plugin is given out, whatever it says that it is; and what a foreign page fetches without
 * being able to read it can only do harm.
 */
function refuseEmbedding(request: IncomingMessage): void {
  const [dest = 'empty'] = headerValues(request, 'sec-fetch-dest');
  const [site = 'none'] = headerValues(request, 'sec-fetch-site');
  // To follow a link, and to come back from somewhere else, is to open it by itself.
  if (dest === 'document' || (dest === 'empty' && (site === 'none' || site === 'same-origin'))) return;
  throw new BinnacleError('forbidden', {
    message: 'A page of a plugin cannot be a part of another page.',
    hint: 'Open it by itself.',
  });
}

/** How much of something each has at once. */
class Loads {
  readonly #loads = new Map<string, { count: number; bytes: number }>();

  /** What gives it back, once; undefined where it is too much. One alone is always taken. */
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
