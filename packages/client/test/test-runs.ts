// A small honest server of runs for tests, with places where a test makes it misbehave. Knows one session.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  BinnacleError,
  type Code,
  type OutputKind,
  type RunId,
  type RunInfo,
  type SessionId,
} from '@binnacle/protocol';

export interface TestEvent {
  /** The position behind it. */
  readonly id: string;
  readonly event: string;
  readonly data: object;
}

/** What happens to an event on its way out. */
export type Mangle = 'send' | 'drop' | 'double' | 'cut';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what was sent.
  readonly body: any;
}

export class TestRun {
  epoch: string;
  readonly events: TestEvent[];
  info: RunInfo;
  place: number;
  offset: number;

  constructor(id: string, command: string) {
    this.epoch = 'e1';
    this.events = [];
    this.place = 0;
    this.offset = 0;
    this.info = {
      id: id as RunId,
      session: 's' as SessionId,
      command,
      by: 'tester',
      state: 'running',
      queuedAt: 1,
      startedAt: 2,
      endedAt: null,
      durationMs: null,
      position: 'e1.0.0',
      startOffset: 0,
      endOffset: null,
      exitCode: null,
      outcome: null,
      reset: false,
      cwd: null,
    };
    this.push('run', this.info);
  }

  push(event: string, data: object, length = 0): void {
    this.place += 16;
    this.offset += length;
    this.events.push({ id: `${this.epoch}.${this.place.toString(36)}.${this.offset.toString(36)}`, event, data });
  }

  write(kind: OutputKind, bytes: Uint8Array | string): void {
    const buffer = Buffer.from(bytes as string);
    this.push('output', { kind, offset: this.offset, base64: buffer.toString('base64') }, buffer.length);
  }

  end(exitCode = 0): void {
    this.info = { ...this.info, state: 'ended', outcome: 'exited', exitCode, endOffset: this.offset, endedAt: 3 };
    this.push('end', { run: this.info });
  }
}

export class TestRuns {
  readonly runs: Map<string, TestRun>;
  readonly seen: Seen[];
  /** Streams that are open. */
  readonly streams: Set<ServerResponse>;
  /** How many were ever made. */
  connections: number;
  /** What a new run does. */
  script: (run: TestRun) => void;
  mangle: (event: TestEvent) => Mangle;
  /** Refuses a request, or drops it after it has acted. */
  refuse: (seen: Seen) => Code | 'lose answer' | undefined;
  private readonly http: Server;
  private readonly waiting: Set<() => void>;

  constructor() {
    this.runs = new Map();
    this.seen = [];
    this.streams = new Set();
    this.connections = 0;
    this.waiting = new Set();
    this.script = () => undefined;
    this.mangle = () => 'send';
    this.refuse = () => undefined;
    this.http = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => this.answer(request, response, Buffer.concat(parts).toString()));
    });
    this.http.on('connection', () => {
      this.connections += 1;
    });
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Sends what was added to all who follow. */
  flush(): void {
    for (const wake of [...this.waiting]) wake();
  }

  cutAll(): void {
    for (const stream of this.streams) stream.destroy();
  }

  async stop(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const url = new URL(request.url ?? '', 'http://test');
    const seen: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
    };
    this.seen.push(seen);
    const refused = this.refuse(seen);
    const [, , , , collection, id, what] = seen.path.split('/');
    const isStart = seen.method === 'POST' && (refused === undefined || refused === 'lose answer');
    const run = this.runs.get(id ?? seen.body?.id) ?? (isStart ? this.start(seen) : undefined);
    if (refused === 'lose answer') response.destroy();
    else if (refused !== undefined) fail(response, refused);
    else if (collection === 'processes') json(response, { processes: [{ pid: 1, parent: 0, command: 'sleep 9' }] });
    else if (run === undefined && id === undefined)
      json(response, { runs: [...this.runs.values()].map((one) => one.info) });
    else if (run === undefined) fail(response, 'run_not_found');
    else if (seen.method === 'DELETE') {
      run.end(130);
      this.flush();
      json(response, run.info);
    } else if (what === 'output' || seen.query.get('format') === 'sse') this.stream(run, seen, response);
    else this.wait(run, Number(seen.query.get('wait') ?? 0), response);
  }

  private start(seen: Seen): TestRun {
    const run = new TestRun(seen.body.id, seen.body.command);
    this.runs.set(run.info.id, run);
    this.script(run);
    return run;
  }

  private wait(run: TestRun, ms: number, response: ServerResponse): void {
    const check = (): void => {
      if (ms > 0 && run.info.state !== 'ended') return;
      this.waiting.delete(check);
      json(response, run.info);
    };
    this.waiting.add(check);
    response.on('close', () => this.waiting.delete(check));
    check();
  }

  private stream(run: TestRun, { query }: Seen, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    this.streams.add(response);
    const position = query.get('position');
    let at = 0;
    if (position !== null) {
      at = run.events.findIndex(({ id }) => id === position) + 1;
      if (at === 0) throw new Error(`${position} was never told.`);
      // Behind the end there is the end.
      if (run.events[at - 1]?.event === 'end') at -= 1;
      this.write(response, { id: position, event: 'run', data: run.info });
    }
    const since = query.get('since');
    if (since !== null) at = run.events.findIndex(({ data }) => (data as { offset?: number }).offset === Number(since));
    const send = (): void => {
      for (let event = run.events[at]; event !== undefined && !response.destroyed; event = run.events[at]) {
        at += 1;
        this.write(response, event);
        if (event.event === 'end') response.end();
      }
    };
    this.waiting.add(send);
    response.on('close', () => {
      this.streams.delete(response);
      this.waiting.delete(send);
    });
    send();
  }

  private write(response: ServerResponse, { id, event, data }: TestEvent): void {
    const text = `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    const fate = this.mangle({ id, event, data });
    if (fate === 'cut') {
      // In the middle, where it hurts.
      response.write(text.slice(0, text.length >> 1), () => response.destroy());
    }
    if (fate === 'send' || fate === 'double') response.write(text);
    if (fate === 'double') response.write(text);
  }
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: Code): void {
  const error = new BinnacleError(code);
  response.writeHead(error.status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: error.toWire() }));
}
