// The WebSocket addresses and all connections to them.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BinnacleError } from '@binnacle/protocol';
import { WebSocketServer } from 'ws';
import { z } from 'zod';
import type { Auth } from '../access/auth.ts';
import { GUEST_FRAMES } from '../access/guest-policy.ts';
import type { Principal } from '../access/principal.ts';
import type { WsRoute } from '../api/http/routes.ts';
import { EXECD } from '../api/opensandbox/errors.ts';
import { attachPty } from '../api/opensandbox/pty-socket.ts';
import type { Ptys } from '../api/opensandbox/ptys.ts';
import { PtyFrames, ServerFrames, SessionFrames, SHAPES, TrafficMessages } from '../api/schemas/frames.ts';
import { SESSION_SCOPES, SessionRequests } from '../api/session-socket/dialect.ts';
import { attachCompat } from '../api/session-socket/session-socket.ts';
import type { Liveness } from '../api/stream/liveness.ts';
import { TrafficRequests } from '../api/traffic/messages.ts';
import { TrafficSocket } from '../api/traffic/socket.ts';
import { ClientFrames } from '../api/ws/client-frames.ts';
import { Connection } from '../api/ws/websocket.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { UserFocus } from '../notifications/focus.ts';
import type { Notices } from '../plugins/notices.ts';
import { Watchers } from '../presence/presence.ts';
import type { SessionScreens } from '../screen/session-screens.ts';
import { FRAME_SCOPES } from '../visibility/frame-scopes.ts';
import type { SessionAccess } from '../visibility/session-access.ts';

/** Maximum bytes of one client frame: an input message of 1 MiB in base64 and its envelope. */
const MAX_FRAME_BYTES = 1.5 * 1024 * 1024;

export interface SocketsParts {
  readonly access: SessionAccess;
  readonly conversations: Conversations;
  readonly notices: Notices;
  readonly focus: UserFocus;
  readonly screens: SessionScreens;
  readonly ptys: Ptys;
  readonly liveness: Liveness;
  readonly auth: Auth;
  readonly maxViewers: number;
  /** Maximum of one connection. */
  readonly maxSubscriptions: number;
}

export class Sockets {
  readonly #parts: SocketsParts;
  #viewers = 0;
  readonly #watchers = new Watchers();
  /** Connections of guests of share links, by guest. */
  readonly #guests = new Map<string, Set<Connection>>();
  /** Without compression: output is small or fast, and a deflate bomb is refused, as all compressed frames are. */
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_FRAME_BYTES });

  constructor(parts: SocketsParts) {
    this.#parts = parts;
  }

  get routes(): WsRoute[] {
    return [
      {
        path: '/v1/ws',
        scope: 'view',
        summary: 'Many sessions on one connection: JSON control, binary output.',
        frames: {
          ...{ takes: ClientFrames, sends: ServerFrames, withEach: { seq: z.int() } },
          shapes: SHAPES,
          scopes: FRAME_SCOPES,
          guests: GUEST_FRAMES,
          binary: { sends: 'Output: 36 bytes of header, then the bytes. See PROTOCOL.md, section 6.' },
        },
        upgrade: (request, socket, head, principal) => this.#connect(request, socket, head, principal),
      },
      {
        path: '/ws/pty-traffic',
        scope: 'view',
        summary: 'What happens in the sessions that match a filter, own and foreign ones, as JSON messages.',
        frames: { takes: TrafficRequests, sends: TrafficMessages },
        upgrade: (request, socket, head, principal) => this.#watchTraffic(request, socket, head, principal),
      },
      {
        path: '/ws/session/:id',
        scope: 'view',
        summary: 'One session as JSON frames, for clients of the sandbox daemon.',
        frames: { takes: SessionRequests, sends: SessionFrames, scopes: SESSION_SCOPES },
        upgrade: (request, socket, head, principal, params) => {
          this.#admit();
          return attachCompat(
            { ...this.#parts, server: this.#server, watchers: this.#watchers, join: () => this.#join() },
            { request, socket: socket as Socket, head, principal, id: params.id ?? '' },
          );
        },
      },
      {
        path: '/pty/:id/ws',
        scope: 'view',
        dialect: EXECD,
        summary: 'A terminal of the sandbox daemon: binary frames for bytes, JSON for the rest.',
        frames: {
          ...{ takes: SessionRequests, sends: PtyFrames, scopes: SESSION_SCOPES },
          binary: {
            takes: '0x00, then input.',
            sends: '0x01 or 0x02, then output; 0x03, 8 bytes of offset, then old output.',
          },
        },
        upgrade: (request, socket, head, principal, params) => {
          this.#admit();
          return attachPty(
            { ...this.#parts, server: this.#server, watchers: this.#watchers, join: () => this.#join() },
            { request, socket: socket as Socket, head, principal, id: params.id ?? '' },
          );
        },
      },
    ];
  }

  #connect(request: IncomingMessage, socket: Duplex, head: Buffer, principal: Principal): void {
    this.#admit();
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const joined = this.#join();
      let leave = (): void => undefined;
      const connection = new Connection({
        ...{ ws, socket: socket as Socket, principal },
        seen: this.#parts.access.seenBy(principal),
        conversations: this.#parts.conversations,
        notices: this.#parts.notices,
        focus: this.#parts.focus,
        screens: this.#parts.screens,
        liveness: this.#parts.liveness,
        maxSubscriptions: this.#parts.maxSubscriptions,
        watchers: this.#watchers,
        hold: (who, close) => this.#parts.auth.hold(who, close),
        onClose: () => {
          joined();
          leave();
        },
      });
      if (principal.guest !== null) leave = this.#welcome(principal.id, connection);
    });
  }

  /** Tells whether a guest of a share link has the lease of the shared session or conversation. */
  isDriving(guest: string): boolean {
    return [...(this.#guests.get(guest) ?? [])].some((connection) => connection.isDriving);
  }

  #welcome(guest: string, connection: Connection): () => void {
    const all = this.#guests.get(guest) ?? new Set();
    this.#guests.set(guest, all.add(connection));
    return () => {
      all.delete(connection);
      if (all.size === 0 && this.#guests.get(guest) === all) this.#guests.delete(guest);
    };
  }

  #watchTraffic(request: IncomingMessage, socket: Duplex, head: Buffer, principal: Principal): void {
    this.#admit();
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      new TrafficSocket({
        ...{ ws, socket: socket as Socket, principal },
        seen: this.#parts.access.seenBy(principal),
        liveness: this.#parts.liveness,
        maxFollowed: this.#parts.maxSubscriptions,
        hold: (who, close) => this.#parts.auth.hold(who, close),
        onClose: this.#join(),
      });
    });
  }

  #admit(): void {
    if (this.#viewers >= this.#parts.maxViewers) {
      throw new BinnacleError('too_many_viewers', { details: { limit: this.#parts.maxViewers } });
    }
  }

  /** Counts a viewer. Returns the function that ends the count. */
  #join(): () => void {
    this.#viewers += 1;
    return () => {
      this.#viewers -= 1;
    };
  }
}
