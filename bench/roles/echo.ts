// Role: somebody who types. Sends a key, waits for its echo, notes how long that took.

import { onBenchMessage, sendToBench } from '../role.ts';
import { clientFrame, FastWs, jsonFrame } from '../ws.ts';
import type { Target } from './viewer.ts';

export interface EchoSpec {
  readonly target: Target;
  readonly keys: number;
  /** Between an echo and the next key, in ms. */
  readonly pauseMs: number;
}

export interface EchoReport {
  readonly us: readonly number[];
}

/** The first keys meet cold code on both ends. */
const WARM_UP = 50;

export function main({ target, keys, pauseMs }: EchoSpec): void {
  const isOurs = target.kind === 'binnacle';
  const key = isOurs
    ? jsonFrame({ t: 'input', session: target.session, text: 'a' })
    : clientFrame(2, Buffer.from('0a'));
  const us: number[] = [];
  let sentAt = 0;
  let sent = 0;
  let opcodeIsOutput = true;
  const type = () => {
    sent += 1;
    sentAt = performance.now();
    ws.send(key);
  };
  const echoed = () => {
    if (sentAt === 0) return;
    if (sent > WARM_UP) us.push((performance.now() - sentAt) * 1000);
    sentAt = 0;
    if (us.length < keys) setTimeout(type, pauseMs);
    else sendToBench('done', { us } satisfies EchoReport);
  };
  const ws = new FastWs({
    port: target.port,
    path: isOurs ? '/v1/ws' : '/ws',
    headers: isOurs ? { Authorization: `Bearer ${target.token}` } : { 'Sec-WebSocket-Protocol': 'tty' },
    onOpen: () => {
      if (isOurs) return;
      ws.send(clientFrame(2, Buffer.from('{"AuthToken":"","columns":80,"rows":24}')));
      sendToBench('ready');
    },
    onText: (text) => {
      const frame = JSON.parse(text) as { t: string; time?: number; error?: { code: string } };
      if (frame.t === 'hello' && isOurs) ws.send(jsonFrame({ t: 'subscribe', session: target.session, from: 'now' }));
      else if (frame.t === 'subscribed') sendToBench('ready');
      else if (frame.t === 'ping') ws.send(jsonFrame({ t: 'pong', time: frame.time }));
      else if (frame.t === 'error') sendToBench('failed', frame.error?.code);
    },
    onBinary: (data, from, to, at) => {
      if (at === 0) opcodeIsOutput = isOurs || data[from] === 48;
      if (opcodeIsOutput && to > from) echoed();
    },
    onClose: (why) => sendToBench('failed', why),
  });
  onBenchMessage({ go: type });
}
