// Requests that a client sends on one connection before it has the answers to earlier ones. Node takes them all, and each
// may wait: a long poll costs 12 kB.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The unanswered requests of each connection. */
export class Pipelines {
  readonly #limit: number;
  readonly #unanswered = new Map<Socket, Set<ServerResponse>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Returns false, and destroys the connection, if it has too many unanswered requests. */
  admit(socket: Socket, response: ServerResponse): boolean {
    const responses = this.#unanswered.get(socket) ?? this.#follow(socket);
    if (responses.size >= this.#limit) {
      socket.destroy();
      return false;
    }
    responses.add(response);
    response.once('close', () => responses.delete(response));
    return true;
  }

  #follow(socket: Socket): Set<ServerResponse> {
    const responses = new Set<ServerResponse>();
    this.#unanswered.set(socket, responses);
    socket.once('close', () => {
      this.#unanswered.delete(socket);
      // Node closes only the response that was being sent. Those behind it would wait for their time limits.
      for (const response of responses) response.emit('close');
    });
    return responses;
  }
}
