// OAuth clients: the id contains the registration, signed, so that nothing is stored for programs that only register.

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { BinnacleError, hiddenLetter } from '@binnacle/protocol';
import { readPrivateFile, writePrivateFile } from '../../data-dir/data-dir.ts';
import { OAuthFailure } from './errors.ts';

const FILE = 'oauth.key';
const KEY_BYTES = 32;
/** Maximum characters of a name: short enough to read at a glance and to list with tokens. */
const MAX_NAME = 80;
/** Maximum redirect URIs per client: the id contains all of them, and is itself part of a URL. */
const MAX_REDIRECTS = 5;
const MAX_REDIRECT_CHARS = 300;
/** Maximum characters of an id: a longer id was not created here. */
const MAX_ID_CHARS = 4000;

const LOOPBACK = /^(?:127\.0\.0\.1|\[::1\]|localhost)$/;
/** Schemes that a browser handles itself instead of passing them to a program. */
const OWN_SCHEMES = /^(?:about|blob|data|file|filesystem|ftp|javascript|vbscript|view-source|ws|wss):$/;

export interface OAuthClient {
  /** Name that the program claims; any program can claim any name. */
  readonly name: string;
  readonly redirects: readonly string[];
}

export class ClientIds {
  readonly #key: Buffer;

  /** `key`: must stay the same for as long as ids are to be valid. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Opens with the key in `dir`, which is created if it is missing. Throws `bad_data_dir`. */
  static open(dir: string): ClientIds {
    const path = join(dir, FILE);
    const found = readPrivateFile(path)?.trim();
    if (found === undefined) {
      const key = randomBytes(KEY_BYTES);
      writePrivateFile(path, key.toString('hex'));
      return new ClientIds(key);
    }
    const key = Buffer.from(found, 'hex');
    if (key.length === KEY_BYTES) return new ClientIds(key);
    throw new BinnacleError('bad_data_dir', {
      message: `${path} does not hold a key.`,
      hint: 'Remove it: a new one is made, and programs that log in have to be allowed again.',
    });
  }

  /** Creates an id. Throws `OAuthFailure` for an invalid name or redirect URI. */
  register(name: string, redirects: readonly string[]): { readonly id: string; readonly client: OAuthClient } {
    if (name.length > MAX_NAME || hiddenLetter(name) !== undefined || /[\n\t]/.test(name) || name.trim() === '') {
      throw new OAuthFailure('invalid_client_metadata', `client_name takes 1 to ${MAX_NAME} characters that are seen.`);
    }
    if (redirects.length === 0 || redirects.length > MAX_REDIRECTS) {
      throw new OAuthFailure('invalid_redirect_uri', `redirect_uris takes 1 to ${MAX_REDIRECTS} addresses.`);
    }
    for (const redirect of redirects) checkRedirect(redirect);
    const client = { name: name.trim(), redirects };
    const body = Buffer.from(JSON.stringify(client)).toString('base64url');
    return { id: `${body}.${this.#sign(body)}`, client };
  }

  /** Returns the client of an id; undefined for an id that was not created here. */
  read(id: string): OAuthClient | undefined {
    if (id.length > MAX_ID_CHARS) return undefined;
    const [body = '', encoded = ''] = id.split('.');
    const signed = Buffer.from(this.#sign(body));
    const signature = Buffer.from(encoded);
    if (signature.length !== signed.length || !timingSafeEqual(signature, signed)) return undefined;
    if (id !== `${body}.${encoded}`) return undefined;
    // Trusted: the signature proves that `register` wrote it.
    return JSON.parse(Buffer.from(body, 'base64url').toString()) as OAuthClient;
  }

  #sign(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url');
  }
}

/** Returns the digest that is stored in place of an id. */
export const digestOfClient = (clientId: string): string => createHash('sha256').update(clientId).digest('hex');

/** Allows https URLs, http to this machine, and private-use schemes (RFC 8252). Throws `invalid_redirect_uri`. */
function checkRedirect(redirect: string): void {
  const url = URL.canParse(redirect) ? new URL(redirect) : undefined;
  const refused = (why: string): OAuthFailure =>
    new OAuthFailure('invalid_redirect_uri', `"${redirect.slice(0, 100)}" ${why}`);
  if (redirect.length > MAX_REDIRECT_CHARS) throw refused(`is longer than ${MAX_REDIRECT_CHARS} characters.`);
  if (url === undefined || !/^[\x21-\x7e]+$/.test(redirect)) throw refused('is no address.');
  if (url.hash !== '' || redirect.includes('#')) throw refused('has a fragment.');
  if (url.username + url.password !== '') throw refused('has a user.');
  if (OWN_SCHEMES.test(url.protocol)) throw refused('is nothing that a program could take.');
  if (url.protocol === 'http:' && !isLoopback(url)) throw refused('goes over the network without TLS.');
}

export const isLoopback = ({ protocol, hostname }: URL): boolean => protocol === 'http:' && LOOPBACK.test(hostname);

/** Returns true for a registered redirect URI; on this machine with any port (RFC 8252, 7.3). */
export function isRegistered({ redirects }: OAuthClient, redirect: string): boolean {
  if (redirects.includes(redirect)) return true;
  if (!URL.canParse(redirect) || !/^[\x21-\x7e]+$/.test(redirect)) return false;
  const url = new URL(redirect);
  if (!isLoopback(url) || url.href !== redirect) return false;
  return redirects.some((one) => {
    const registered = new URL(one);
    if (!isLoopback(registered)) return false;
    registered.port = url.port;
    return registered.href === url.href;
  });
}
