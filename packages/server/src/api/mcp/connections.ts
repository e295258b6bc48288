// State between the requests of a client with a handshake: the addresses that it follows, and the one stream that tells
// of their changes. An id alone (`Mcp-Session-Id`) keeps nothing: most clients follow nothing.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { BinnacleError } from '@binnacle/protocol';
import type { LoggingLevel } from '@modelcontextprotocol/server';
import { askerOf, type Principal } from '../../access/principal.ts';
import { AtOnce } from '../../base/concurrency-limit.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { EventStream } from '../stream/sse.ts';
import { Subscriber } from './subscriber.ts';

/** A client that comes back finds what it follows as it was; the official ones try again for about a minute. */
const AWAY_MS = 5 * 60_000;
/** Maximum ids that are known to have ended: an older one is taken for one that never followed anything. */
const MAX_ENDED = 4096;
const ID_BYTES = 16;

const SEVERITY: Readonly<Record<LoggingLevel, number>> = {
  ...{ debug: 0, info: 1, notice: 2, warning: 3, error: 4, critical: 5, alert: 6, emergency: 7 },
};

/** One client with a handshake. */
export class McpConnection {
  readonly subscriber: Subscriber;
  level: LoggingLevel = 'info';
  readonly #ended: () => void;
  #stream: EventStream | undefined;
  #away: NodeJS.Timeout | undefined;

  /** `ended`: nobody has listened for `AWAY_MS`. */
  constructor(subscriber: Subscriber, ended: () => void) {
    this.subscriber = subscriber;
    this.#ended = ended;
    this.#leave();
  }

  /** Until the stream is closed. A newer stream takes the place of an older one, which nobody may be reading any more. */
  async listen(stream: EventStream): Promise<void> {
    clearTimeout(this.#away);
    this.#stream?.finish();
    this.#stream = stream;
    const send = (method: string, params: object): void => void stream.message({ jsonrpc: '2.0', method, params });
    const disconnect = this.subscriber.connect({
      get isFull() {
        return stream.fullSince !== undefined;
      },
      updated: (uri) => send('notifications/resources/updated', { uri }),
      log: (level, data) => {
        if (SEVERITY[level] >= SEVERITY[this.level]) send('notifications/message', { level, logger: 'binnacle', data });
      },
    });
    stream.onRoom(() => this.subscriber.flush());
    await stream.closed;
    disconnect();
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#leave();
  }

  end(): void {
    clearTimeout(this.#away);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.finish();
    this.subscriber.end();
  }

  #leave(): void {
    clearTimeout(this.#away);
    this.#away = setTimeout(this.#ended, AWAY_MS);
    this.#away.unref();
  }
}

/** Client that asks for a connection. */
interface Client {
  readonly principal: Principal;
  readonly seen: SeenSessions;
}

export class McpConnections {
  /** Count of what one token follows: each address is one, and so is each connection that is kept. */
  readonly held: AtOnce;
  readonly #key = randomBytes(32);
  readonly #open = new Map<
    string,
    { readonly connection: McpConnection; readonly principal: Principal; release(): void }
  >();
  readonly #ended = new Set<string>();

  constructor(maxSubscriptions: number) {
    this.held = new AtOnce(
      maxSubscriptions,
      (limit) =>
        new BinnacleError('too_many_subscriptions', {
          message: 'The limit of subscriptions of this token is reached.',
          hint: 'Unsubscribe from one first, or raise serve --max-mcp-subscriptions.',
          details: { limit },
        }),
    );
  }

  /** For the answer to `initialize`: signed, so that nothing need be kept of it, and of no use to anybody else. */
  newId({ id }: Principal): string {
    const random = randomBytes(ID_BYTES).toString('hex');
    return random + this.#sign(random, id);
  }

  /** The connection of an id. Throws `mcp_session_not_found`, and `too_many_subscriptions` for one more. */
  get(id: string | undefined, { principal, seen }: Client): McpConnection {
    this.#check(id, principal);
    const open = this.#open.get(id);
    if (open !== undefined) return open.connection;
    const release = this.held.take(askerOf(principal));
    const subscriber = new Subscriber(askerOf(principal), seen, this.held);
    const connection = new McpConnection(subscriber, () => this.#drop(id));
    this.#open.set(id, { connection, principal, release });
    return connection;
  }

  /** The client says goodbye. Throws `mcp_session_not_found`. */
  end(id: string | undefined, principal: Principal): void {
    this.#check(id, principal);
    this.#drop(id);
  }

  /** The token was revoked. */
  revoked(principalId: string): void {
    for (const [id, { principal }] of this.#open) if (principal.id === principalId) this.#drop(id);
  }

  #drop(id: string): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    this.#ended.add(id);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MAX_ENDED) break;
      this.#ended.delete(oldest);
    }
    open?.connection.end();
    open?.release();
  }

  #check(id: string | undefined, { id: principalId }: Principal): asserts id is string {
    const random = id?.slice(0, ID_BYTES * 2) ?? '';
    const signed = Buffer.from(this.#sign(random, principalId));
    const given = Buffer.from(id?.slice(ID_BYTES * 2) ?? '');
    const isOurs = given.length === signed.length && timingSafeEqual(given, signed);
    if (id === undefined || !isOurs || this.#ended.has(id)) throw new BinnacleError('mcp_session_not_found');
  }

  #sign(random: string, principalId: string): string {
    return createHmac('sha256', this.#key)
      .update(`${random} ${principalId}`)
      .digest('hex')
      .slice(0, ID_BYTES * 2);
  }
}
