// Identity of this gateway for push services (RFC 8292): a key pair, made once, and short-lived tokens signed with it.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import { readPrivateFile, writePrivateFile } from '../data-dir/data-dir.ts';

const FILE = 'push.key';
/** Time to live of a token. The RFC allows 24 hours; clocks differ. */
const TOKEN_MS = 12 * 3600_000;
/** Time before its end at which a token is replaced. */
const SPARE_MS = 3600_000;
/** Maximum cached tokens, one per push service, of which there are a handful in the world. */
const MAX_TOKENS = 64;

export class Vapid {
  /** Key with which browsers subscribe: the uncompressed point, as base64url. */
  readonly publicKey: string;
  readonly #key: KeyObject;
  readonly #tokens = new LruMap<string, { readonly text: string; readonly until: number }>(MAX_TOKENS);

  /** Opens the key pair of `dir`, and makes one if there is none. Throws `bad_data_dir`. */
  static open(dir: string): Vapid {
    const path = join(dir, FILE);
    const found = readPrivateFile(path);
    if (found !== undefined) return new Vapid(keyIn(found, path));
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writePrivateFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    return new Vapid(privateKey);
  }

  private constructor(key: KeyObject) {
    this.#key = key;
    const { x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' });
    const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
    this.publicKey = point.toString('base64url');
  }

  /**
   * Returns the Authorization header for one push service. `contact`: `mailto:` or `https:`, for complaints of the
   * service.
   */
  authorization(origin: string, contact: string, now: number = Date.now()): string {
    const name = `${origin} ${contact}`;
    const cached = this.#tokens.peek(name);
    // A token made while the clock was ahead would be refused: push services accept none that ends in more than a day.
    const isGood = cached !== undefined && cached.until - SPARE_MS > now && cached.until <= now + TOKEN_MS;
    const token = isGood ? cached : this.#make(origin, contact, now);
    this.#tokens.set(name, token);
    return `vapid t=${token.text}, k=${this.publicKey}`;
  }

  #make(aud: string, sub: string, now: number): { readonly text: string; readonly until: number } {
    const until = now + TOKEN_MS;
    const head = encoded({ typ: 'JWT', alg: 'ES256' });
    const claims = encoded({ aud, exp: Math.floor(until / 1000), sub });
    const signature = sign('sha256', Buffer.from(`${head}.${claims}`), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return { text: `${head}.${claims}.${signature.toString('base64url')}`, until };
  }
}

function keyIn(text: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (error) {
    throw unusable(path, error);
  }
  throw unusable(path);
}

const unusable = (path: string, cause?: unknown): BinnacleError =>
  new BinnacleError('bad_data_dir', {
    message: `${path} holds no P-256 key.`,
    hint: 'Remove it: another is made, and browsers subscribe anew when their page is opened.',
    cause,
  });

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
