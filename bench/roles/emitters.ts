// Role: producers that emit as fast as they are answered, or at a given rate, on a connection each.

import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface EmittersSpec {
  readonly port: number;
  readonly token: string;
  /** Of the names of sessions and producers: another one for each run. */
  readonly run: string;
  readonly producers: number;
  /** Of each. */
  readonly batches: number;
  readonly batch: number;
  readonly chunkBytes: number;
  /** Bytes of output a second, of each; as fast as it goes without. */
  readonly rate?: number;
  /** Each chunk begins with the time at which it was sent, as 16 digits of microseconds. */
  readonly stamps?: boolean;
  /** The last event of each ends its session. */
  readonly final?: boolean;
}

export interface EmittersReport {
  /** From the first request to the last answer. */
  readonly ms: number;
  readonly events: number;
  readonly bytes: number;
  readonly sessions: readonly string[];
  /** Of one request. */
  readonly msEach: readonly number[];
}

const FILL = 'binnacle ';

export async function main(spec: EmittersSpec): Promise<void> {
  let go = (): void => undefined;
  const started = new Promise<void>((resolve) => {
    go = resolve;
  });
  onBenchMessage({ go: () => go() });
  const emitters = Array.from({ length: spec.producers }, (_, n) => new OneEmitter(spec, n));
  // One event each: what is measured is how a session goes on, not how it begins.
  for (const emitter of emitters) await emitter.send(1);
  sendToBench(
    'ready',
    emitters.map(({ session }) => session),
  );
  await started;
  const startedAt = performance.now();
  await Promise.all(emitters.map((emitter) => emitter.sendAll()));
  const ms = performance.now() - startedAt;
  const events = spec.producers * spec.batches * spec.batch;
  sendToBench('done', {
    ms,
    events,
    bytes: events * spec.chunkBytes,
    sessions: emitters.map(({ session }) => session),
    msEach: emitters.flatMap(({ times }) => times),
  } satisfies EmittersReport);
}

class OneEmitter {
  readonly #spec: EmittersSpec;
  readonly #name: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #text: string;
  readonly times: number[] = [];
  session = '';
  #seq = 0;

  constructor(spec: EmittersSpec, n: number) {
    this.#spec = spec;
    this.#name = `${spec.run}-${n}`;
    this.#text = FILL.repeat(Math.ceil(spec.chunkBytes / FILL.length)).slice(
      spec.stamps === true ? 16 : 0,
      spec.chunkBytes,
    );
  }

  async sendAll(): Promise<void> {
    const { batches, batch, chunkBytes, rate } = this.#spec;
    const startedAt = performance.now();
    for (let n = 0; n < batches; n += 1) {
      const dueMs = rate === undefined ? 0 : startedAt + ((n * batch * chunkBytes) / rate) * 1000 - performance.now();
      if (dueMs >= 1) await new Promise((resolve) => setTimeout(resolve, dueMs));
      const before = performance.now();
      await this.send(batch, n === batches - 1);
      this.times.push(performance.now() - before);
    }
    this.#agent.destroy();
  }

  /** Fails unless all of them are stored. */
  async send(count: number, isLast = false): Promise<void> {
    const { port, token } = this.#spec;
    const events = Array.from({ length: count }, (_, n) => this.#event(isLast && n === count - 1));
    const body = Buffer.from(`{"producer":{"id":"${this.#name}","epoch":0},"events":[${events.join(',')}]}`);
    const outgoing = request({
      port,
      host: '127.0.0.1',
      path: '/v1/pty-traffic/emit',
      method: 'POST',
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    });
    outgoing.end(body);
    const [incoming] = await once(outgoing, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const answer = JSON.parse(text) as { stored?: number; results?: { session: string }[] };
    if (answer.stored !== count) throw new Error(text.slice(0, 500));
    this.session = answer.results?.[0]?.session ?? '';
  }

  /** The first event has no output, so that stamps lie where a viewer expects them. */
  #event(isLast: boolean): string {
    const seq = this.#seq;
    this.#seq += 1;
    const stamp = this.#spec.stamps === true ? String(process.hrtime.bigint() / 1000n).padStart(16, '0') : '';
    const more = seq === 0 ? ',"command":"bench","source":"bench"' : `,"response":"${stamp}${this.#text}"`;
    const end = isLast && this.#spec.final === true ? ',"is_final":true,"exit_code":0' : '';
    return `{"session_id":"${this.#name}","seq":${seq}${more}${end}}`;
  }
}
