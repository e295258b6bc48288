// Plays the emit route of a gateway over real HTTP, keeps what it stores, and fails on demand. No part of the product.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinnacleError, type Code, type EmitResult, type TrafficEvent } from '@binnacle/protocol';

export type Failure =
  /** Stores, and cuts the connection before the answer. */
  | 'lost_answer'
  /** Stores, and cuts within the answer. */
  | 'half_answer'
  /** Cuts before anything is stored. */
  | 'reset'
  | 'garbage'
  | 'slow'
  | 'silent'
  | 429
  | 503
  | 507
  | 401
  | 403
  | 413
  /** Stores the first half of the batch, and refuses the rest as `too_fast`. */
  | 'half_stored'
  /** Stores one event of each session, and refuses what follows. */
  | 'first_of_each';

const REFUSALS: Readonly<Record<string, Code>> = {
  401: 'unauthorized',
  403: 'forbidden',
  413: 'body_too_large',
  429: 'too_fast',
  507: 'disk_full',
};

interface Stored {
  readonly producer: string;
  epoch: number;
  next: number;
  readonly events: TrafficEvent[];
}

export class EmitGateway {
  readonly sessions = new Map<string, Stored>();
  /** How often each event was stored: `session epoch seq`. */
  readonly times = new Map<string, number>();
  /** Called for each request. Undefined: it succeeds. */
  fail: (request: number) => Failure | undefined = () => undefined;
  /** Called for each event before it is stored. */
  refuse: (event: TrafficEvent) => BinnacleError | undefined = () => undefined;
  requests = 0;
  largest = 0;
  concurrent = 0;
  mostConcurrent = 0;
  readonly tokens = new Set<string>();
  retryAfter = '0.01';
  private server: Server | undefined;
  private port = 0;

  static async start(): Promise<EmitGateway> {
    const gateway = new EmitGateway();
    await gateway.listen();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    this.server = createServer((request, response) => void this.handle(request, response));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  events(id: string): readonly TrafficEvent[] {
    return this.sessions.get(id)?.events ?? [];
  }

  output(id: string): string {
    return Buffer.concat(this.events(id).map(outputOf)).toString('latin1');
  }

  isFinal(id: string): boolean {
    return this.events(id).at(-1)?.is_final === true;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.concurrent += 1;
    this.mostConcurrent = Math.max(this.mostConcurrent, this.concurrent);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      this.answer(request, Buffer.concat(chunks), response);
    } catch {
      response.destroy();
    } finally {
      this.concurrent -= 1;
    }
  }

  private answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    this.tokens.add(request.headers.authorization ?? '');
    this.largest = Math.max(this.largest, body.length);
    const failure = this.fail(this.requests++);
    if (failure === 'reset') return void response.destroy();
    if (failure === 'silent') return;
    if (failure === 'garbage') return void response.writeHead(200).end('<html>welcome</html>');
    if (failure === 503) return void response.writeHead(503).end('upstream is away');
    const code = REFUSALS[failure ?? ''];
    if (typeof failure === 'number' && code !== undefined) {
      const headers = failure === 429 ? { 'retry-after': this.retryAfter } : {};
      response.writeHead(failure, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify({ error: new BinnacleError(code).toWire() }));
      return;
    }
    const batch = JSON.parse(body.toString()) as {
      producer: { id: string; epoch: number };
      events: TrafficEvent[];
    };
    const seen = new Set<string>();
    const stuck = new Set<string>();
    const results = batch.events.map((event, n): EmitResult => {
      const { session_id: id } = event;
      const isCut =
        (failure === 'half_stored' && n >= batch.events.length / 2) || (failure === 'first_of_each' && seen.has(id));
      seen.add(id);
      const result = stuck.has(id)
        ? refused(event, new BinnacleError('earlier_refused'))
        : isCut
          ? refused(event, new BinnacleError('too_fast'))
          : this.store(batch.producer, event);
      if (result.status === 'refused') stuck.add(id);
      return result;
    });
    if (failure === 'lost_answer') return void response.destroy();
    const count = (status: string): number => results.filter((result) => result.status === status).length;
    const text = JSON.stringify({
      results,
      stored: count('stored'),
      duplicates: count('duplicate'),
      refused: count('refused'),
    });
    const send = (): void => {
      response.writeHead(count('refused') === 0 ? 200 : 207, { 'content-type': 'application/json' });
      if (failure === 'half_answer') {
        response.write(text.slice(0, text.length / 2));
        setImmediate(() => response.destroy());
      } else response.end(text);
    };
    if (failure === 'slow') setTimeout(send, 60);
    else send();
  }

  private store(producer: { id: string; epoch: number }, event: TrafficEvent): EmitResult {
    const { session_id: id, seq = -1 } = event;
    const error = this.refuse(event);
    if (error !== undefined) return refused(event, error);
    let session = this.sessions.get(id);
    if (session === undefined) {
      if (seq !== 0) return refused(event, new BinnacleError('seq_gap', { details: { expected: 0, received: seq } }));
      session = { producer: producer.id, epoch: producer.epoch, next: 0, events: [] };
      this.sessions.set(id, session);
    }
    if (session.producer !== producer.id) return refused(event, new BinnacleError('session_taken'));
    if (producer.epoch < session.epoch)
      return refused(event, new BinnacleError('stale_epoch', { details: { epoch: session.epoch } }));
    if (producer.epoch > session.epoch) {
      session.epoch = producer.epoch;
      session.next = 0;
    }
    const place = { session_id: id, seq, session: 'x' as never, position: 'p', offset: 0 };
    if (seq < session.next) return { status: 'duplicate', ...place };
    if (session.events.at(-1)?.is_final === true) return refused(event, new BinnacleError('session_exited'));
    if (seq > session.next) {
      const details = { expected: session.next, received: seq };
      return refused(event, new BinnacleError('seq_gap', { details }));
    }
    session.next += 1;
    session.events.push(event);
    const key = `${id} ${producer.epoch} ${seq}`;
    this.times.set(key, (this.times.get(key) ?? 0) + 1);
    return { status: 'stored', ...place };
  }
}

export const outputOf = (event: TrafficEvent): Buffer =>
  event.response_base64 !== undefined
    ? Buffer.from(event.response_base64, 'base64')
    : Buffer.from(event.response ?? '');

const refused = (event: TrafficEvent, error: BinnacleError): EmitResult => ({
  status: 'refused',
  session_id: event.session_id,
  seq: event.seq ?? null,
  error: error.toWire(),
});
