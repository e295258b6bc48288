// Emitters for tests, on the wire and without our client: producers that number their events and send them again until
// they are kept, and what a gateway has kept of them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join, resolve } from 'node:path';
import type { EmitAnswer, EmitResult, TrafficEvent, TrafficMark } from '@binnacle/protocol';
import { isOutput } from '@binnacle/protocol';
import { SegmentReader } from '../../packages/server/src/log/segment-reader.ts';
import type { GatewayAccess, Reply } from '../support/gateway-access.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
export const EMIT = '/v1/pty-traffic/emit';

/** Of one event as it is, a list, or a batch. */
export const emit = (gateway: GatewayAccess, body: object | string, token = gateway.token): Promise<Reply> =>
  gateway.ask(EMIT, {
    body,
    token,
    ...(typeof body === 'string' ? { headers: { 'content-type': 'application/json' } } : {}),
  });

/** Emits one event of an emitter without a producer; returns the id of the session here. */
export async function emitted(gateway: GatewayAccess, event: TrafficEvent, token = gateway.token): Promise<string> {
  const { status, json, text } = await emit(gateway, event, token);
  if (status !== 200) throw new Error(text);
  return (json as EmitAnswer).results.map((result) => ('session' in result ? result.session : ''))[0] ?? '';
}

/** `stored`, `duplicate`, or the code of what was refused. */
export const outcomesOf = ({ json }: Reply): string[] =>
  (json as EmitAnswer).results.map((result) => (result.status === 'refused' ? result.error.code : result.status));

export interface Answered {
  readonly status: number;
  readonly results: readonly EmitResult[];
  readonly retryAfterMs: number;
}

/** A connection of an emitter that stays open: `fetch` costs several times what an event does. */
export class Wire {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #gateway: () => { readonly url: string; readonly token: string };

  constructor(gateway: () => { readonly url: string; readonly token: string }) {
    this.#gateway = gateway;
  }

  /** Rejects when no whole answer came. */
  async send(body: object): Promise<Answered> {
    const { url, token } = this.#gateway();
    const bytes = Buffer.from(JSON.stringify(body));
    const outgoing = request(url + EMIT, {
      method: 'POST',
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': bytes.length,
      },
    });
    outgoing.end(bytes);
    const [incoming] = await once(outgoing, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const json = JSON.parse(Buffer.concat(chunks).toString()) as Partial<EmitAnswer>;
    const after = incoming.headers['retry-after'] as string | undefined;
    return {
      status: incoming.statusCode,
      results: json.results ?? [],
      retryAfterMs: after === undefined ? 0 : Number(after) * 1000,
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** What became of what was sent. */
export class Told {
  offered = 0;
  stored = 0;
  duplicates = 0;
  gaps = 0;
  tooFast = 0;
  lostAnswers = 0;
}

/** Where faults come from: a share of batches sent twice, and of neighbours sent the wrong way round. */
export interface Faults {
  readonly duplicates: number;
  readonly reordered: number;
}

/** Sends the events of one session in batches until all of them are kept. */
export async function deliver(
  wire: Wire,
  producer: { readonly id: string; readonly epoch: number },
  events: readonly TrafficEvent[],
  plan: { readonly batch: number; readonly faults: Faults; readonly told: Told },
): Promise<void> {
  const { told, faults } = plan;
  const first = events[0]?.seq ?? 0;
  for (let next = 0; next < events.length; ) {
    // An answer that was lost, and a program that does not know what it has sent: from further back.
    const from = Math.random() < faults.duplicates ? Math.max(0, next - Math.ceil(plan.batch / 2)) : next;
    const batch = events.slice(from, from + plan.batch);
    for (let at = 0; at + 1 < batch.length; at += 1) {
      if (Math.random() >= faults.reordered / Math.max(1, plan.batch / 4)) continue;
      const [one, two] = [batch[at], batch[at + 1]];
      if (one !== undefined && two !== undefined) batch.splice(at, 2, two, one);
      at += 1;
    }
    told.offered += batch.length;
    let answer: Answered;
    try {
      answer = await wire.send({ producer, events: batch });
    } catch {
      told.lostAnswers += 1;
      await new Promise((done) => setTimeout(done, 10 + Math.random() * 40));
      continue;
    }
    if (answer.status === 429) {
      told.tooFast += 1;
      await new Promise((done) => setTimeout(done, Math.random() * answer.retryAfterMs));
      continue;
    }
    if (answer.status >= 500) {
      await new Promise((done) => setTimeout(done, Math.random() * 50));
      continue;
    }
    if (answer.results.length !== batch.length) throw new Error(`${answer.status}: ${JSON.stringify(answer)}`);
    for (const result of answer.results) {
      const at = (result.seq ?? -1) - first;
      if (result.status === 'refused') {
        const { code, retryable } = result.error;
        if (code === 'seq_gap' || code === 'earlier_refused') told.gaps += 1;
        else if (!retryable) throw new Error(JSON.stringify(result));
        continue;
      }
      if (result.status === 'stored') told.stored += 1;
      else told.duplicates += 1;
      next = Math.max(next, at + 1);
    }
  }
}

export interface Kept {
  readonly output: Buffer;
  readonly marks: readonly TrafficMark['traffic'][];
  readonly kinds: readonly string[];
}

/** All that is kept of a session, straight from its log; up to `head`, if it still grows. */
export async function keptOf(gateway: { readonly dir: string }, id: string): Promise<Kept> {
  const reader = SegmentReader.open(join(gateway.dir, 'sessions', id, 'log'));
  const output: Uint8Array[] = [];
  const marks: TrafficMark['traffic'][] = [];
  const kinds: string[] = [];
  try {
    for (let at = { epoch: reader.epoch, ...reader.oldest }; ; ) {
      const reading = await reader.read(at);
      if (reading.kind === 'head') return { output: Buffer.concat(output), marks, kinds };
      if (reading.kind === 'gap') throw new Error(`Bytes ${reading.from} to ${reading.to} are not there.`);
      for (const { kind, bytes } of reading.page.entries) {
        kinds.push(kind);
        if (isOutput(kind)) output.push(bytes);
        if (kind === 'event') marks.push((JSON.parse(Buffer.from(bytes).toString()) as TrafficMark).traffic);
      }
      at = { ...reading.page.next };
    }
  } finally {
    reader.close();
  }
}

/** A command of ours against a gateway. */
export async function binnacle(
  gateway: GatewayProcess,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, BINNACLE_URL: gateway.url, BINNACLE_TOKEN: gateway.token };
  const child = spawn(process.execPath, [BINARY, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes) => {
    stdout += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    stderr += String(bytes);
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** SIGTERM, and waits until it is gone. */
export async function stop(gateway: GatewayProcess): Promise<void> {
  const { pid } = gateway;
  process.kill(pid, 'SIGTERM');
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}
