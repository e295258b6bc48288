// Which gateway the examples talk to: the one that BINNACLE_URL and BINNACLE_TOKEN name, else the one that this user
// has started on this machine with the default port and data directory.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@binnacle/client';
import { WebSocket } from 'ws'; // Node 20 has no WebSocket of its own; Node 22 and browsers have one.

export const url = process.env.BINNACLE_URL ?? 'http://127.0.0.1:7117';

/** A token is a password: it belongs into an environment or a file of mode 600, never into a program. */
export const token =
  process.env.BINNACLE_TOKEN ?? readFileSync(join(homedir(), '.local/share/binnacle/admin.token'), 'utf8').trim();

/** Opens a client, which reconnects by itself. It keeps the process alive until `close()`. */
export const openClient = () => connect({ url, token, WebSocket });
