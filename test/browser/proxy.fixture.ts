// A reverse proxy as people run one: below a path of its own, which it takes away or passes on. No part of the product.

import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProxyOptions {
  /** Path that the proxy serves, with slashes around: everything else is not there. */
  readonly path: string;
  /** Whether the gateway is asked without that path. */
  readonly strips: boolean;
  /** Whether the gateway gets the Host that the browser named (Caddy), or its own (nginx, as it is unconfigured). */
  readonly passesHost: boolean;
}

export interface ReverseProxy {
  /** Address of the gateway through the proxy, with the path. */
  readonly url: string;
  /** Points the proxy at a gateway. The proxy comes first: a gateway needs its public address at the start. */
  to(gatewayUrl: string): void;
  close(): void;
}

export async function openProxy({ path, strips, passesHost }: ProxyOptions): Promise<ReverseProxy> {
  let port = 0;
  const ask = (incoming: IncomingMessage) => {
    const { url = '/', method, headers } = incoming;
    const host = passesHost ? headers.host : `127.0.0.1:${port}`;
    const target = strips ? url.slice(path.length - 1) : url;
    return request({ host: '127.0.0.1', port, path: target, method, headers: { ...headers, host }, agent: false });
  };
  const isOurs = ({ url = '/' }: IncomingMessage): boolean => url.startsWith(path);
  const server = createServer((incoming, outgoing) => {
    if (!isOurs(incoming)) {
      outgoing.writeHead(404).end('The proxy serves something else here.');
      return;
    }
    const onward = ask(incoming);
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.on('upgrade', (incoming, near, head) => {
    near.on('error', () => undefined); // a browser that goes away is no news
    const onward = isOurs(incoming) ? ask(incoming) : undefined;
    if (onward === undefined) {
      near.destroy();
      return;
    }
    onward.on('upgrade', (answer, far, begun) => {
      const lines = answer.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`);
      near.write(begun);
      far.write(head);
      far.on('error', () => near.destroy());
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      far.pipe(near).pipe(far);
    });
    onward.on('response', () => near.destroy());
    onward.on('error', () => near.destroy());
    onward.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    to: (gatewayUrl) => {
      port = Number(new URL(gatewayUrl).port);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
