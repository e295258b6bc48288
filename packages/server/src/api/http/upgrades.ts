// Upgrades to WebSockets: the route of a request, its principal, and the sockets that are open.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BinnacleError, defined } from '@binnacle/protocol';
import type { Auth } from '../../access/auth.ts';
import { routeTargetOf } from '../../access/guest-policy.ts';
import { type Hosts, headerValues } from '../../access/host-origin.ts';
import type { Principal } from '../../access/principal.ts';
import type { Log } from '../../base/logger.ts';
import { pathOf } from '../../base/request-path.ts';
import { answerOf, answerRaw, type Dialect } from './answer.ts';
import { validate } from './app.ts';
import { PathRouter, type RouteMatch } from './path-router.ts';
import type { WsRoute } from './routes.ts';

/** Time for the close frame of a revoked connection before its socket is destroyed. Keeps the total below a second. */
const REVOKE_GRACE_MS = 600;

export interface UpgradesParts {
  readonly wsRoutes: readonly WsRoute[];
  readonly auth: Auth;
  readonly hosts: Hosts;
  readonly log: Log;
}

export class Upgrades {
  readonly #parts: UpgradesParts;
  readonly #router: PathRouter<WsRoute>;
  readonly #open = new Set<Duplex>();

  constructor(parts: UpgradesParts) {
    this.#parts = parts;
    this.#router = new PathRouter(parts.wsRoutes, ({ path }) => path);
  }

  /** Upgrades a connection, or answers with the reason why not. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { auth, hosts, log } = this.#parts;
    socket.on('error', (error) => log.debug({ err: error }, 'upgraded socket failed'));
    let dialect: Dialect | undefined;
    const refuse = (error: unknown): void => answerRaw(socket, answerOf(error, log, request, dialect));
    try {
      hosts.checkHost(request);
      hosts.checkOrigin(request);
      hosts.publicUrl.strip(request);
      const { entry: route, params: texts } = this.#find(request);
      dialect = route.dialect;
      const principal = auth.authorize(request, route.scope, {
        upgrade: true,
        shares: routeTargetOf('websocket', route.path) !== undefined,
        ...defined({ dialect }),
      });
      const params = route.params === undefined ? texts : validate('path', route.params, texts);
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      destroyWhenRevoked(auth, principal, socket);
      Promise.resolve(route.upgrade(request, socket, head, principal, params)).catch(refuse);
    } catch (error) {
      refuse(error);
    }
  }

  #find(request: IncomingMessage): RouteMatch<WsRoute> {
    const [match] = this.#router.match(pathOf(request.url));
    if (match === undefined) {
      throw new BinnacleError('not_found', {
        message: 'No WebSocket is served at this address.',
        hint: 'Connect to /v1/ws, or send the request without an Upgrade header.',
      });
    }
    if (request.method !== 'GET') throw new BinnacleError('method_not_allowed', { details: { allow: 'GET' } });
    if (headerValues(request, 'upgrade').join().toLowerCase() === 'websocket') return match;
    throw new BinnacleError('upgrade_required');
  }

  /** Destroys the sockets that are still open. */
  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** Fallback: the owner of the connection closes it gracefully; this timer guarantees that it is closed. */
export function destroyWhenRevoked(auth: Auth, principal: Principal, stream: Duplex | ServerResponse): void {
  const release = auth.hold(principal, () => {
    const timer = setTimeout(() => stream.destroy(), REVOKE_GRACE_MS);
    stream.once('close', () => clearTimeout(timer));
  });
  stream.once('close', release);
}
