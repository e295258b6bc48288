// Encryption of a message for one browser, which its push service cannot read (RFC 8291, aes128gcm of RFC 8188). Pure
// but for randomness.

import { createCipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { BinnacleError } from '@binnacle/protocol';

export interface PushKeys {
  /** The browser's public key: an uncompressed point on P-256, 65 bytes. */
  readonly p256dh: Uint8Array;
  /** Shared secret of 16 bytes that only the browser and the gateway know. */
  readonly auth: Uint8Array;
}

/** Maximum plaintext that every push service accepts: 4096 bytes with header, delimiter and authentication tag. */
export const MAX_PLAIN_BYTES = 3993;
const RECORD_BYTES = 4096;
const KEY_BYTES = 65;
const SALT_BYTES = 16;
const AUTH_BYTES = 16;
/** Delimiter after the last record. */
const LAST = 2;

/** Random values of one message; given only in tests against a known result. */
export interface EncryptionRandomness {
  readonly salt: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** Throws `bad_push_endpoint` for invalid keys, above all for a point that is not on the curve. */
export function checkKeys({ p256dh, auth }: PushKeys): void {
  const isShaped = p256dh.length === KEY_BYTES && p256dh[0] === 4 && auth.length === AUTH_BYTES;
  try {
    if (isShaped) {
      const probe = createECDH('prime256v1');
      probe.generateKeys();
      probe.computeSecret(p256dh);
      return;
    }
  } catch (error) {
    throw new BinnacleError('bad_push_endpoint', { message: 'p256dh is not a point on P-256.', cause: error });
  }
  throw new BinnacleError('bad_push_endpoint', { message: 'p256dh has 65 bytes and begins with 4; auth has 16.' });
}

/** Returns the body of the request: one record without padding. */
export function encrypt(plain: Uint8Array, { p256dh, auth }: PushKeys, randomness?: EncryptionRandomness): Buffer {
  const ours = createECDH('prime256v1');
  if (randomness === undefined) ours.generateKeys();
  else ours.setPrivateKey(randomness.privateKey);
  const publicKey = ours.getPublicKey();
  const salt = randomness?.salt ?? randomBytes(SALT_BYTES);
  const shared = ours.computeSecret(p256dh);
  const about = Buffer.concat([Buffer.from('WebPush: info\0'), p256dh, publicKey]);
  const secret = Buffer.from(hkdfSync('sha256', shared, auth, about, 32));
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: aes128gcm\0', 16));
  const nonce = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: nonce\0', 12));
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(plain), cipher.update(Buffer.from([LAST])), cipher.final()]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(RECORD_BYTES);
  return Buffer.concat([salt, size, Buffer.from([publicKey.length]), publicKey, sealed, cipher.getAuthTag()]);
}
