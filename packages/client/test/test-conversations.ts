// A small honest gateway of conversations for tests: real sockets, logs in memory, and places where it misbehaves.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  type Author,
  BinnacleError,
  type ClientFrame,
  type Code,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationKey,
  type ConversationRun,
  isEndEvent,
  type MessageInfo,
  parsePosition,
  type SendMessage,
  type SendReceipt,
  type ServerBody,
} from '@binnacle/protocol';
import { WebSocket, WebSocketServer } from 'ws';

export const ADA: Author = { user: 'ada', name: 'Ada' };

type Batch = { readonly events: readonly ConversationEvent[]; readonly place: number };

/** What happens to an answer or a frame on its way out: `cut` loses it with its connection. */
export type Mangle = 'send' | 'double' | 'cut';

export class TestConversation {
  readonly key: ConversationKey;
  epoch: string;
  readonly batches: Batch[];
  readonly messages: Map<string, MessageInfo>;
  readonly runs: Map<string, ConversationRun>;
  /** Begins a run for a message by itself, when none is under way. */
  startsAtOnce: boolean;
  /** Places before it are gone. */
  oldest: number;
  title: string;
  private readonly changed: () => void;

  constructor(key: string, changed: () => void) {
    this.key = key as ConversationKey;
    this.epoch = 'e1';
    this.batches = [];
    this.messages = new Map();
    this.runs = new Map();
    this.startsAtOnce = true;
    this.oldest = 0;
    this.title = 'test';
    this.changed = changed;
  }

  get place(): number {
    return this.batches.at(-1)?.place ?? 0;
  }

  at(place: number): string {
    return `${this.epoch}.${place.toString(36)}.0`;
  }

  get current(): ConversationRun | null {
    return [...this.runs.values()].find(({ end }) => end === null) ?? null;
  }

  get info(): ConversationInfo {
    return {
      key: this.key,
      agent: 'main',
      owner: 'ada',
      visibility: { kind: 'private' },
      title: this.title,
      createdAt: 0,
      updatedAt: 0,
      position: this.at(this.place),
      epoch: this.epoch,
      run: this.current,
      queue: [...this.messages.values()].filter(({ state }) => state === 'queued'),
      approvals: [],
      lease: null,
      steer: ['queue', 'inject', 'interrupt'],
      usage: null,
      mine: true,
    };
  }

  /** One entry of the log. */
  append(...events: readonly ConversationEvent[]): void {
    const before = this.place;
    for (const event of events) this.apply(event, before);
    this.batches.push({ events, place: before + 16 });
    this.changed();
  }

  send({ id = 'none', text, steer = 'queue' }: SendMessage): SendReceipt {
    const there = this.messages.get(id);
    if (there !== undefined && there.text !== text) throw new BinnacleError('message_conflict');
    if (there === undefined && text === '/stop') {
      const aborted = this.abort();
      return { message: this.made(id, text, 'delivered', steer), run: null, duplicate: false, aborted };
    }
    if (there === undefined) {
      const message = this.made(id, text, 'queued', steer);
      this.messages.set(id, message);
      const sent: ConversationEvent = { type: 'message', at: 1, message };
      if (this.current === null && this.startsAtOnce) this.append(sent, this.started(id));
      else this.append(sent);
    }
    const message = this.messages.get(id) ?? this.made(id, text, 'queued', steer);
    const run = this.runs.get(id) ?? (steer === 'inject' ? null : this.queued(id));
    return { message, run, duplicate: there !== undefined };
  }

  start(id: string): void {
    this.append(this.started(id));
  }

  say(text: string, run = this.current?.id ?? ''): void {
    this.append({ type: 'delta', at: 3, run, stream: 'said', text });
  }

  end(): void {
    const run = this.current;
    if (run !== null) this.append({ type: 'final', at: 4, run: run.id, text: run.text });
  }

  abort(): string[] {
    const run = this.current;
    if (run === null) return [];
    this.append({ type: 'aborted', at: 4, run: run.id, text: run.text, via: 'run', by: ADA });
    return [run.id];
  }

  cancel(id: string): MessageInfo {
    this.append({ type: 'message_cancelled', at: 3, id, by: ADA });
    return this.message(id);
  }

  message(id: string): MessageInfo {
    const message = this.messages.get(id);
    if (message === undefined) throw new BinnacleError('message_not_found');
    return message;
  }

  run(id: string): ConversationRun {
    const run = this.runs.get(id);
    if (run !== undefined) return run;
    if (this.messages.get(id)?.state !== 'queued') throw new BinnacleError('run_not_found');
    return this.queued(id);
  }

  private made(id: string, text: string, state: MessageInfo['state'], steer: MessageInfo['steer']): MessageInfo {
    return { id, role: 'user', text, by: ADA, at: 1, state, steer, run: null };
  }

  private queued(id: string): ConversationRun {
    return { ...this.begun(id), state: 'queued', startedAt: null, position: null };
  }

  private begun(id: string): ConversationRun {
    const { key } = this;
    const position = this.at(this.place);
    const times = { queuedAt: 1, startedAt: 2, endedAt: null };
    return {
      ...{ id, conversation: key, agent: 'main', by: ADA, state: 'running' },
      ...{ ...times, position, text: '', end: null, usage: null },
    };
  }

  private started(id: string): ConversationEvent {
    return { type: 'run_started', at: 2, run: this.begun(id) };
  }

  private apply(event: ConversationEvent, place: number): void {
    const change = (id: string, more: Partial<MessageInfo>): void => {
      const message = this.messages.get(id);
      if (message !== undefined) this.messages.set(id, { ...message, ...more });
    };
    if (event.type === 'run_started') {
      this.runs.set(event.run.id, { ...event.run, position: this.at(place) });
      change(event.run.id, { state: 'delivered', run: event.run.id });
    }
    if (event.type === 'message_delivered') change(event.id, { state: 'delivered', run: event.run });
    if (event.type === 'message_cancelled') change(event.id, { state: 'cancelled' });
    if (event.type === 'message_edited') change(event.id, { text: event.text });
    const run = 'run' in event && typeof event.run === 'string' ? this.runs.get(event.run) : undefined;
    if (run === undefined) return;
    if (event.type === 'delta' && event.stream === 'said')
      this.runs.set(run.id, { ...run, text: run.text + event.text });
    if (event.type === 'final') this.runs.set(run.id, { ...run, state: 'final', end: { state: 'final' }, endedAt: 4 });
    if (event.type === 'aborted') {
      this.runs.set(run.id, { ...run, state: 'aborted', end: { state: 'aborted', via: event.via, by: event.by } });
    }
  }
}

interface Reader {
  place: number;
  /** False: it is gone. */
  send(batch: Batch | 'gap', conversation: TestConversation): boolean;
}

class Peer {
  readonly socket: WebSocket;
  readonly readers: Map<string, Reader>;
  seq: number;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.readers = new Map();
    this.seq = 0;
  }

  json(body: ServerBody, mangle: Mangle = 'send'): void {
    if (mangle === 'cut') this.socket.terminate();
    if (this.socket.readyState !== WebSocket.OPEN) return;
    for (let times = mangle === 'double' ? 2 : 1; times > 0; times -= 1) {
      this.seq += 1;
      this.socket.send(JSON.stringify({ ...body, seq: this.seq }));
    }
  }
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what was sent.
  readonly body: any;
}

export class TestConversations {
  readonly conversations: Map<string, TestConversation>;
  readonly requests: SeenRequest[];
  readonly frames: ClientFrame[];
  /** Refuses a client frame. */
  refuse: (frame: ClientFrame) => Code | undefined;
  /** Refuses a request before it acts. */
  deny: (request: SeenRequest) => Code | undefined;
  /** After a request was acted upon, before its answer. */
  beforeAnswer: (request: SeenRequest) => Mangle;
  /** What happens to each frame, or SSE message, of events. */
  mangle: () => Mangle;
  private readonly http: Server;
  private readonly sockets: Set<Socket>;
  private readonly peers: Set<Peer>;
  private readonly streams: Set<Reader & { readonly key: string; waitingBytes(): number }>;

  constructor() {
    this.conversations = new Map();
    this.requests = [];
    this.frames = [];
    this.refuse = () => undefined;
    this.deny = () => undefined;
    this.beforeAnswer = () => 'send';
    this.mangle = () => 'send';
    this.sockets = new Set();
    this.peers = new Set();
    this.streams = new Set();
    this.http = createServer((request, response) => void this.answer(request, response));
    const webSockets = new WebSocketServer({ noServer: true });
    this.http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.http.on('upgrade', (request, socket, head) => {
      webSockets.handleUpgrade(request, socket, head, (ws) => this.welcome(ws));
    });
  }

  static async start(): Promise<TestConversations> {
    const gateway = new TestConversations();
    await new Promise<void>((resolve) => gateway.http.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  conversation(key = 'agent:main:user:ada:test'): TestConversation {
    const conversation = new TestConversation(key, () => this.flush(conversation));
    this.conversations.set(key, conversation);
    return conversation;
  }

  /** Of readers over HTTP. */
  get streamCount(): number {
    return this.streams.size;
  }

  /** Of those, what they have not taken yet. */
  get waitingBytes(): number {
    return [...this.streams].reduce((sum, stream) => sum + stream.waitingBytes(), 0);
  }

  broadcast(body: ServerBody): void {
    for (const peer of this.peers) peer.json(body);
  }

  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private flush(conversation: TestConversation): void {
    for (const peer of this.peers) {
      const reader = peer.readers.get(conversation.key);
      if (reader !== undefined) this.pump(reader, conversation);
    }
    for (const stream of this.streams) if (stream.key === conversation.key) this.pump(stream, conversation);
  }

  private pump(reader: Reader, conversation: TestConversation): void {
    if (reader.place < conversation.oldest) {
      reader.place = conversation.oldest;
      if (!reader.send('gap', conversation)) return;
    }
    for (const batch of conversation.batches) {
      if (batch.place <= reader.place) continue;
      reader.place = batch.place;
      if (!reader.send(batch, conversation)) return;
    }
  }

  private find(key: string): TestConversation {
    const conversation = this.conversations.get(key);
    if (conversation === undefined) throw new BinnacleError('conversation_not_found');
    return conversation;
  }

  private begin(conversation: TestConversation, from: string | undefined): number {
    if (from === undefined || from === 'now') return conversation.place;
    const at = parsePosition(from);
    if (at.epoch !== conversation.epoch) throw new BinnacleError('wrong_epoch');
    return at.place;
  }

  // --- over HTTP

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://test');
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.requests.push(seen);
    const json = (status: number, body?: object): void => {
      if (this.beforeAnswer(seen) === 'cut') {
        request.socket.destroy();
        return;
      }
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    try {
      const code = this.deny(seen);
      if (code !== undefined) throw new BinnacleError(code);
      const parts = seen.path.split('/').slice(2).map(decodeURIComponent);
      if (parts[0] === 'conversations' && parts[2] === 'events') this.stream(this.find(parts[1] ?? ''), seen, response);
      else if (seen.method === 'DELETE' && parts.length === 2) json(204);
      else json(200, this.act(seen, parts));
    } catch (cause) {
      if (!(cause instanceof BinnacleError)) throw cause;
      json(cause.status, { error: cause.toWire() });
    }
  }

  private act({ method, body }: SeenRequest, [what, key = '', which, id = '']: readonly string[]): object {
    if (what === 'me') return { name: 'tester', scope: 'admin', user: 'ada' };
    if (what === 'agents') {
      return { agents: [{ id: 'main', driver: 'echo', isDefault: true, steer: ['queue'], approvals: false }] };
    }
    if (key === '' && method === 'POST') return this.conversation(`agent:main:user:ada:${body.name ?? 'new'}`).info;
    if (key === '') return { conversations: [...this.conversations.values()].map(({ info }) => info), next: null };
    const conversation = this.find(key);
    switch (which) {
      case 'messages':
        if (method === 'POST') return conversation.send(body);
        if (method === 'DELETE') return conversation.cancel(id);
        if (method === 'PATCH') {
          conversation.append({ type: 'message_edited', at: 3, id, text: body.text, by: ADA });
          return conversation.message(id);
        }
        if (id !== '') return conversation.message(id);
        return { messages: [...conversation.messages.values()], before: null };
      case 'runs':
        return method === 'DELETE' ? { aborted: conversation.abort() } : conversation.run(id);
      case 'abort':
        return { aborted: conversation.abort() };
      case 'approvals':
        return { answer: { option: body.option, by: ADA, reason: 'answered' } };
      case 'lease':
        if (body.action === 'renew' && body.lease !== 'secret') throw new BinnacleError('lease_lost');
        return { holder: 'tester', fence: 1, expiresInMs: 60_000, lease: 'secret' };
      case 'notes':
        conversation.append({ type: 'note', at: 5, text: body.text, by: ADA });
        return {};
      default:
        if (method === 'PATCH') conversation.title = body.title;
        return conversation.info;
    }
  }

  private stream(conversation: TestConversation, { query }: SeenRequest, response: ServerResponse): void {
    const reader = {
      key: conversation.key,
      waitingBytes: () => response.writableLength,
      place: this.begin(conversation, query.get('position') ?? undefined),
      send: (batch: Batch | 'gap', of: TestConversation): boolean => {
        const [event, place, body] =
          batch === 'gap'
            ? ['gap', of.oldest, { reason: 'retention' }]
            : ['events', batch.place, { events: batch.events }];
        const text = `id: ${of.at(place)}\nevent: ${event}\ndata: ${JSON.stringify(body)}\n\n`;
        const how = this.mangle();
        if (how === 'cut') {
          response.destroy();
          this.streams.delete(reader);
          return false;
        }
        response.write(how === 'double' ? text + text : text);
        return true;
      },
    };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': here\n\n');
    this.streams.add(reader);
    response.on('close', () => this.streams.delete(reader));
    this.pump(reader, conversation);
    if (query.get('follow') !== '1') response.end();
  }

  // --- over the WebSocket

  private welcome(socket: WebSocket): void {
    const peer = new Peer(socket);
    this.peers.add(peer);
    socket.on('close', () => this.peers.delete(peer));
    socket.on('error', () => {});
    socket.on('message', (data) => this.onFrame(peer, JSON.parse(String(data)) as ClientFrame));
    const hello = { connection: 'c', version: '0', protocol: 1, time: Date.now(), heartbeatMs: 15_000 };
    peer.json({ t: 'hello', scope: 'admin', ...hello });
  }

  private onFrame(peer: Peer, frame: ClientFrame): void {
    this.frames.push(frame);
    const ref = 'ref' in frame && frame.ref !== undefined ? { ref: frame.ref } : {};
    try {
      const code = this.refuse(frame);
      if (code !== undefined) throw new BinnacleError(code);
      if (frame.t === 'ping') peer.json({ t: 'pong', time: frame.time, serverTime: Date.now() });
      else if (frame.t === 'follow') this.follow(peer, frame);
      else if (frame.t !== 'pong') {
        if (frame.t === 'unfollow') peer.readers.delete(frame.conversation);
        peer.json({ t: 'ok', ...ref });
      }
    } catch (error) {
      if (!(error instanceof BinnacleError)) throw error;
      peer.json({ t: 'error', ...ref, error: error.toWire() });
    }
  }

  private follow(peer: Peer, frame: Extract<ClientFrame, { t: 'follow' }>): void {
    const conversation = this.find(frame.conversation);
    const { key } = conversation;
    const place = this.begin(conversation, frame.from);
    const reader: Reader = {
      place,
      send: (batch, of) => {
        const how = this.mangle();
        if (batch === 'gap') {
          peer.json({ t: 'events_gap', conversation: key, reason: 'retention', position: of.at(of.oldest) }, how);
        } else {
          peer.json({ t: 'events', conversation: key, position: of.at(batch.place), events: batch.events }, how);
        }
        return how !== 'cut';
      },
    };
    peer.readers.set(key, reader);
    const ref = frame.ref === undefined ? {} : { ref: frame.ref };
    peer.json({ t: 'following', ...ref, conversation: key, from: conversation.at(place), info: conversation.info });
    this.pump(reader, conversation);
  }
}

/** Text of a run, from its events. */
export const textIn = (events: readonly ConversationEvent[]): string =>
  events.map((event) => (event.type === 'delta' && event.stream === 'said' ? event.text : '')).join('');

export const endsIn = (events: readonly ConversationEvent[]): ConversationEvent[] => events.filter(isEndEvent);
