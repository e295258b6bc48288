// The token of the owner of the data directory: from the environment, or from a file that only the owner can read.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { readPrivateFile, writePrivateFile } from './data-dir.ts';

const FILE = 'admin.token';
/**
 * Minimum characters of a token that cannot be guessed: 128 bits in hexadecimal. A shorter one from the operator is
 * accepted: see `isGuessable`.
 */
const MIN_CHARS = 32;
const TOKEN = /^[\x21-\x7e]+$/;

/** Returns a new secret: `bn_` and 32 random bytes as base64url. */
export const newSecret = (): string => `bn_${randomBytes(32).toString('base64url')}`;

const OWN_SECRET = /^(bn|bg|bs)_[A-Za-z0-9_-]{43}$/;

/**
 * Returns the kind of a secret in Binnacle's own format: `bn` tokens, tickets and logins, `bg` guests, `bs` share
 * links. Returns undefined for all other texts. Each secret has 256 bits, which cannot be guessed.
 */
export const kindOfSecret = (text: string): 'bn' | 'bg' | 'bs' | undefined =>
  OWN_SECRET.exec(text)?.[1] as 'bn' | 'bg' | 'bs' | undefined;

/** Returns true for a text that `newSecret` may have made. */
export const isOwnSecret = (text: string): boolean => kindOfSecret(text) === 'bn';

/**
 * Returns the admin token of the gateway that holds the lock of `dir`. $BINNACLE_TOKEN takes precedence and is removed
 * from `env`, so that no started program can read it. Throws `weak_token` and `bad_data_dir`.
 */
export function loadAdminToken(dir: string, env: NodeJS.ProcessEnv = process.env): string {
  const fromEnvironment = env.BINNACLE_TOKEN;
  delete env.BINNACLE_TOKEN;
  if (fromEnvironment !== undefined && fromEnvironment !== '') return checked(fromEnvironment, '$BINNACLE_TOKEN');
  return readAdminToken(dir) ?? createAdminToken(dir);
}

/** Returns the token for a command on the same machine. Undefined if no gateway ran in `dir` yet. */
export function readAdminToken(dir: string): string | undefined {
  const text = readPrivateFile(join(dir, FILE));
  return text === undefined ? undefined : checked(text.trim(), join(dir, FILE));
}

function createAdminToken(dir: string): string {
  const token = newSecret();
  writePrivateFile(join(dir, FILE), `${token}\n`);
  return token;
}

/** Returns whether a token could be guessed. Then the rate limit refuses even the right token, and `serve` warns. */
export const isGuessable = (token: string): boolean => token.length < MIN_CHARS;

function checked(token: string, source: string): string {
  if (TOKEN.test(token)) return token;
  throw new BinnacleError('weak_token', { message: `The token in ${source} must be printable characters, no spaces.` });
}
