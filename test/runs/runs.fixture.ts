// A gateway with sessions that take runs, and readers of their streams. Knows no single test.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunInfo, RunRequest, SessionInfo, SessionMode } from '@binnacle/protocol';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

export interface SseEvent {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
  readonly data: any;
}

/** The events of an answer as they come. Leaving the loop lets go of the connection. */
export async function* eventsOf(response: Response): AsyncGenerator<SseEvent> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = texts.pop() ?? '';
    for (const text of texts) {
      const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(text) ?? [];
      if (id !== undefined && event !== undefined && data !== undefined) yield { id, event, data: JSON.parse(data) };
      else if (!text.startsWith(':')) throw new Error(`No event: ${text}`);
    }
  }
}

export async function allOf(response: Response): Promise<SseEvent[]> {
  const events: SseEvent[] = [];
  for await (const event of eventsOf(response)) events.push(event);
  return events;
}

/** The output in base64 events. */
export const bytesOf = (events: readonly SseEvent[], kind?: string): Buffer =>
  Buffer.concat(
    events
      .filter(({ event, data }) => event === 'output' && (kind === undefined || data.kind === kind))
      .map(({ data }) => Buffer.from(data.base64 as string, 'base64')),
  );

export const textOf = (events: readonly SseEvent[]): string =>
  events.map(({ event, data }) => (event === 'output' ? (data.text as string) : '')).join('');

export interface RunBody extends Partial<RunRequest> {
  readonly onDisconnect?: string;
}

/** One session that takes runs, over HTTP. */
export class Shell {
  readonly gateway: GatewayAccess;
  readonly id: string;

  constructor(gateway: GatewayAccess, id: string) {
    this.gateway = gateway;
    this.id = id;
  }

  static async open(gateway: GatewayAccess, mode: SessionMode = 'pipe'): Promise<Shell> {
    const { id } = await gateway.client.sessions.create({ runs: true, mode, cwd: gateway.dir });
    return new Shell(gateway, id);
  }

  get path(): string {
    return `/v1/sessions/${this.id}`;
  }

  post(body: RunBody, query = '', init: RequestInit = {}): Promise<Response> {
    return this.gateway.fetch(`${this.path}/runs?${query}`, {
      ...init,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...init.headers },
      body: JSON.stringify(body),
    });
  }

  /** Starts it; fails unless it is accepted. */
  async start(body: RunBody, query = ''): Promise<RunInfo> {
    const response = await this.post(body, query);
    if (response.status !== 201) throw new Error(`It was not started: ${await response.text()}`);
    return (await response.json()) as RunInfo;
  }

  /** Starts it and reads its stream. */
  stream(body: RunBody, init: RequestInit = {}, query = 'encoding=base64'): Promise<Response> {
    return this.post(body, query, { ...init, headers: { accept: 'text/event-stream' } });
  }

  async run(id: string, query = ''): Promise<RunInfo> {
    return (await (await this.gateway.fetch(`${this.path}/runs/${id}?${query}`)).json()) as RunInfo;
  }

  async runs(): Promise<RunInfo[]> {
    return ((await (await this.gateway.fetch(`${this.path}/runs`)).json()) as { runs: RunInfo[] }).runs;
  }

  ended(id: string): Promise<RunInfo> {
    return this.run(id, 'wait=20000');
  }

  events(run: string, query = '', headers: Record<string, string> = {}): Promise<Response> {
    const path = `${this.path}/runs/${run}/output?format=sse&encoding=base64&${query}`;
    return this.gateway.fetch(path, { headers });
  }

  raw(run: string, query = ''): Promise<Response> {
    return this.gateway.fetch(`${this.path}/runs/${run}/output?${query}`);
  }

  /** All that the session has written. */
  async log(): Promise<Buffer> {
    const response = await this.gateway.fetch(`${this.path}/output?since=0`);
    return Buffer.from(await response.arrayBuffer());
  }

  cancel(run: string): Promise<Response> {
    return this.gateway.fetch(`${this.path}/runs/${run}`, { method: 'DELETE' });
  }

  async info(): Promise<SessionInfo> {
    return await this.gateway.client.sessions.get(this.id);
  }

  /** It still does what it is told. */
  async isUsable(): Promise<boolean> {
    const { exitCode, outcome } = await this.start({ command: '(exit 5)' }, 'wait=20000');
    return exitCode === 5 && outcome === 'exited';
  }
}

/** Something that a command waits for. */
export class Gate {
  readonly path: string;

  constructor(gateway: GatewayAccess, name: string) {
    this.path = join(gateway.dir, `gate-${name}`);
    rmSync(this.path, { force: true });
  }

  /** Shell text that ends when the gate is opened. */
  get wait(): string {
    return `until [ -e '${this.path}' ]; do sleep 0.01; done`;
  }

  open(): void {
    writeFileSync(this.path, '');
  }
}

export const hasWritten = (shell: Shell, offset: number): Promise<void> =>
  until(`byte ${offset} is written`, async () => (await shell.info()).outputOffset >= offset);
