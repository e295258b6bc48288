// Role: a model behind HTTP that says the time, again and again, to whoever asks.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onBenchMessage, sendToBench } from '../role.ts';

export function main({ wordCount, everyMs }: { wordCount: number; everyMs: number }): void {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let sentCount = 0;
    const timer = setInterval(() => {
      const content = `@${process.hrtime.bigint()} `;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      sentCount += 1;
      if (sentCount < wordCount) return;
      clearInterval(timer);
      const last = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
      response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
    }, everyMs);
  });
  server.listen(0, '127.0.0.1', () => sendToBench('ready', { port: (server.address() as AddressInfo).port }));
  onBenchMessage({});
}
