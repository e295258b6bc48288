// A cable between a browser and a gateway that can be pulled. Chromium's own offline mode leaves open WebSockets alone.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Wire {
  /** Where the gateway is reached through this wire. */
  readonly url: string;
  /** Which gateway is at the other end. The wire comes first, because a gateway needs the names of its addresses at the start. */
  to(gatewayUrl: string): void;
  /** Ends every connection and lets no new one in, as when an interface goes down. */
  cut(): void;
  /** Stops all open connections without closing them, as when a laptop sleeps. */
  freeze(): void;
  /** New connections pass again. What was frozen stays so: the network has forgotten it. */
  mend(): void;
  close(): Promise<void>;
}

export async function openWire(): Promise<Wire> {
  const sockets = new Set<Socket>();
  let isWhole = true;
  let port = 0;
  const server = createServer((near) => {
    if (!isWhole) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy()); // the other side went away: that is what these tests are about
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    to: (gatewayUrl) => {
      port = Number(new URL(gatewayUrl).port);
    },
    cut: () => {
      isWhole = false;
      for (const socket of sockets) socket.destroy();
    },
    freeze: () => {
      isWhole = false;
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    mend: () => {
      isWhole = true;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
