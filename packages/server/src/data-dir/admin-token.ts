// The token of whoever owns the data directory: from the environment, or from a file that only they can read.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { readPrivateFile, writePrivateFile } from './data-dir.ts';

const FILE = 'admin.token';
/** 128 bits in hexadecimal. A shorter one that the operator chose is taken, but can be guessed: see `isGuessable`. */
const MIN_CHARS = 32;
const TOKEN = /^[\x21-\x7e]+$/;

/** `bn_` and 32 random bytes as base64url. */
export const newSecret = (): string => `bn_${randomBytes(32).toString('base64url')}`;

const OWN_SECRET = /^(bn|bg|bs)_[A-Za-z0-9_-]{43}$/;

/**
 * Names the kind of a secret of our own shape: `bn` tokens, tickets and logins, `bg` guests, `bs` share links.
 * Undefined for all other texts. Each secret has 256 bits, which nobody finds by trying.
 */
export const kindOfSecret = (text: string): 'bn' | 'bg' | 'bs' | undefined =>
  OWN_SECRET.exec(text)?.[1] as 'bn' | 'bg' | 'bs' | undefined;

/** True for what `newSecret` may have made. */
export const isOwnSecret = (text: string): boolean => kindOfSecret(text) === 'bn';

/**
 * The admin token of the gateway that holds the lock of `dir`. $BINNACLE_TOKEN wins and is taken out of `env`, so
 * that no program that we start can read it. Throws `weak_token` and `bad_data_dir`.
 */
export function loadAdminToken(dir: string, env: NodeJS.ProcessEnv = process.env): string {
  const given = env.BINNACLE_TOKEN;
  delete env.BINNACLE_TOKEN;
  if (given !== undefined && given !== '') return checked(given, '$BINNACLE_TOKEN');
  return readAdminToken(dir) ?? createAdminToken(dir);
}

/** What a command on the same machine sends. Undefined when no gateway ran in `dir` yet. */
export function readAdminToken(dir: string): string | undefined {
  const text = readPrivateFile(join(dir, FILE));
  return text === undefined ? undefined : checked(text.trim(), join(dir, FILE));
}

function createAdminToken(dir: string): string {
  const token = newSecret();
  writePrivateFile(join(dir, FILE), `${token}\n`);
  return token;
}

/** True when trying could find it: then who tries too often is refused even if right, and `serve` warns. */
export const isGuessable = (token: string): boolean => token.length < MIN_CHARS;

function checked(token: string, source: string): string {
  if (TOKEN.test(token)) return token;
  throw new BinnacleError('weak_token', { message: `The token in ${source} must be printable characters, no spaces.` });
}
