// Role: a model behind HTTP that says the time, again and again, to whoever asks.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTold, tell } from '../role.ts';

export function main({ words, everyMs }: { words: number; everyMs: number }): void {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let said = 0;
    const timer = setInterval(() => {
      const content = `@${process.hrtime.bigint()} `;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      said += 1;
      if (said < words) return;
      clearInterval(timer);
      const last = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
      response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
    }, everyMs);
  });
  server.listen(0, '127.0.0.1', () => tell('ready', { port: (server.address() as AddressInfo).port }));
  onTold({});
}
