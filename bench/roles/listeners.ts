// Role: connections that follow conversations and measure the delay of each word by the time that it carries.

import type { ConversationEvent } from '@binnacle/protocol';
import { WebSocket } from 'ws';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface ListenersReport {
  readonly latenciesMs: readonly number[];
  /** Words that were expected and did not come. */
  readonly missing: number;
  /** Runs whose deltas are not the text of their end. */
  readonly wrong: number;
}

interface ListenersSpec {
  readonly port: number;
  readonly token: string;
  readonly conversations: readonly string[];
  readonly perConversation: number;
  readonly deltaIntervalMs?: number;
  /** Of each run; default: not counted. */
  readonly wordCount?: number;
}

const latenciesMs: number[] = [];
let missing = 0;
let wrong = 0;

export async function main(spec: ListenersSpec): Promise<void> {
  const keys = spec.conversations.flatMap((key) => Array.from({ length: spec.perConversation }, () => key));
  let left = keys.length;
  const done = (): void => {
    left -= 1;
    if (left === 0) sendToBench('done', { latenciesMs, missing, wrong } satisfies ListenersReport);
  };
  // Not all at once: the handshakes of a thousand are not what is measured.
  for (let i = 0; i < keys.length; i += 50) {
    await Promise.all(keys.slice(i, i + 50).map((key) => follow(spec, key, done)));
  }
  sendToBench('ready');
  onBenchMessage({});
}

function follow(
  { port, token, deltaIntervalMs, wordCount }: ListenersSpec,
  conversation: string,
  done: () => void,
): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, { headers: { authorization: `Bearer ${token}` } });
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data) => {
      const now = process.hrtime.bigint();
      const frame = JSON.parse(String(data)) as { t: string; time?: number; events?: ConversationEvent[] };
      if (frame.t === 'hello') socket.send(JSON.stringify({ t: 'follow', conversation, deltaIntervalMs }));
      else if (frame.t === 'ping') socket.send(JSON.stringify({ t: 'pong', time: frame.time }));
      else if (frame.t === 'following') resolve();
      else if (frame.t === 'error') reject(new Error(String(data)));
      for (const event of frame.events ?? []) {
        if (event.type === 'delta') {
          text += event.text;
          for (const [, at] of event.text.matchAll(/@(\d+) /g)) latenciesMs.push(Number(now - BigInt(at ?? 0)) / 1e6);
        } else if (event.type === 'final' || event.type === 'error') {
          if (event.text !== text) wrong += 1;
          if (wordCount !== undefined) missing += wordCount - (text.match(/@/g)?.length ?? 0);
          socket.close();
          done();
        }
      }
    });
  });
}
