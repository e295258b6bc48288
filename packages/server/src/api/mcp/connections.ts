// State between the requests of a client with a handshake: the resources that it follows, and the stream of their
// updates. An id alone (`Mcp-Session-Id`) stores nothing, because most clients follow nothing.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { BinnacleError } from '@binnacle/protocol';
import type { LoggingLevel } from '@modelcontextprotocol/server';
import { callerKeyOf, type Principal } from '../../access/principal.ts';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import { LruMap } from '../../base/lru-map.ts';
import { Timer } from '../../base/timer.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { EventStream } from '../stream/event-stream.ts';
import { Subscriber } from './subscriber.ts';

/** Time for which the state of a disconnected client is kept. The official clients retry for about a minute. */
const AWAY_MS = 5 * 60_000;
/** Maximum ids remembered as ended. An older id counts as one that never followed anything. */
const MAX_ENDED = 4096;
const ID_BYTES = 16;

const SEVERITY: Readonly<Record<LoggingLevel, number>> = {
  ...{ debug: 0, info: 1, notice: 2, warning: 3, error: 4, critical: 5, alert: 6, emergency: 7 },
};

/** State of a client with a handshake. */
export class McpConnection {
  readonly subscriber: Subscriber;
  level: LoggingLevel = 'info';
  readonly #ended: () => void;
  #stream: EventStream | undefined;
  readonly #away = new Timer();

  /** `ended` is called when no stream has been open for `AWAY_MS`. */
  constructor(subscriber: Subscriber, ended: () => void) {
    this.subscriber = subscriber;
    this.#ended = ended;
    this.#leave();
  }

  /** Sends updates until the stream is closed. A newer stream replaces an older one, whose client may be gone. */
  async listen(stream: EventStream): Promise<void> {
    this.#away.clear();
    this.#stream?.finish();
    this.#stream = stream;
    const send = (method: string, params: object): void => void stream.message({ jsonrpc: '2.0', method, params });
    const disconnect = this.subscriber.connect({
      get isFull() {
        return stream.isFull;
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
    this.#away.clear();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.finish();
    this.subscriber.end();
  }

  #leave(): void {
    this.#away.set(AWAY_MS, this.#ended);
  }
}

/** A client that requests a connection. */
interface McpClient {
  readonly principal: Principal;
  readonly seen: SeenSessions;
}

export class McpConnections {
  /** Subscriptions in use per token: each resource counts as one, and so does each stored connection. */
  readonly subscriptionLimit: ConcurrencyLimit;
  readonly #key = randomBytes(32);
  readonly #open = new Map<
    string,
    { readonly connection: McpConnection; readonly principal: Principal; release(): void }
  >();
  /** Ids of connections that have ended. */
  readonly #ended = new LruMap<string, true>(MAX_ENDED);

  constructor(maxSubscriptions: number) {
    this.subscriptionLimit = new ConcurrencyLimit({
      limit: maxSubscriptions,
      refusal: (limit) =>
        new BinnacleError('too_many_subscriptions', {
          message: 'The limit of subscriptions of this token is reached.',
          hint: 'Unsubscribe from one first, or raise serve --max-mcp-subscriptions.',
          details: { limit },
        }),
    });
  }

  /**
   * Creates an id for the response to `initialize`: signed, so that nothing needs to be stored, and valid for this
   * principal only.
   */
  newId({ id }: Principal): string {
    const random = randomBytes(ID_BYTES).toString('hex');
    return random + this.#sign(random, id);
  }

  /**
   * Returns the connection of an id, or creates one. Throws `mcp_session_not_found`, and `too_many_subscriptions` over
   * the limit.
   */
  get(id: string | undefined, { principal, seen }: McpClient): McpConnection {
    this.#check(id, principal);
    const open = this.#open.get(id);
    if (open !== undefined) return open.connection;
    const release = this.subscriptionLimit.take(callerKeyOf(principal));
    const subscriber = new Subscriber(callerKeyOf(principal), seen, this.subscriptionLimit);
    const connection = new McpConnection(subscriber, () => this.#drop(id));
    this.#open.set(id, { connection, principal, release });
    return connection;
  }

  /** Ends the connection at the client's request. Throws `mcp_session_not_found`. */
  end(id: string | undefined, principal: Principal): void {
    this.#check(id, principal);
    this.#drop(id);
  }

  /** Ends the connections of a revoked token. */
  revoked(principalId: string): void {
    for (const [id, { principal }] of this.#open) if (principal.id === principalId) this.#drop(id);
  }

  #drop(id: string): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    this.#ended.set(id, true);
    open?.connection.end();
    open?.release();
  }

  #check(id: string | undefined, { id: principalId }: Principal): asserts id is string {
    const random = id?.slice(0, ID_BYTES * 2) ?? '';
    const signed = Buffer.from(this.#sign(random, principalId));
    const signature = Buffer.from(id?.slice(ID_BYTES * 2) ?? '');
    const isOurs = signature.length === signed.length && timingSafeEqual(signature, signed);
    if (id === undefined || !isOurs || this.#ended.has(id)) throw new BinnacleError('mcp_session_not_found');
  }

  #sign(random: string, principalId: string): string {
    return createHmac('sha256', this.#key)
      .update(`${random} ${principalId}`)
      .digest('hex')
      .slice(0, ID_BYTES * 2);
  }
}
