// HTTP pipelining: requests that a client sends before it has the answers to earlier ones. Node accepts any number of
// them, and each one that waits costs some 17 kB.

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
      // Node emits 'close' only for the response that was being sent. The responses behind it would keep their requests
      // waiting. Node's own listeners come first: no response is closed twice.
      setImmediate(() => {
        for (const response of responses) response.emit('close');
      });
    });
    return responses;
  }
}
