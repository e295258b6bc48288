// Where the data directory is, and which gateway a command means. Opens no connection.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defaultDataDir, identityOf, readAdminToken } from '@binnacle/server/data-directory';
import { EXIT, Failure } from '../output/failure.ts';

export interface Place {
  readonly url: string;
  readonly token: string;
}

/** `--data`, else $BINNACLE_DATA, else the XDG data directory. */
export function dataDir(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(given ?? nonEmpty(env.BINNACLE_DATA) ?? defaultDataDir(env));
}

/**
 * $BINNACLE_URL and $BINNACLE_TOKEN, else what the gateway of the data directory has left there: `gateway.json` and
 * `admin.token`. An explicit `--data` wins over $BINNACLE_URL: it was said last.
 */
export function findGateway(data: string | undefined, env: NodeJS.ProcessEnv = process.env): Place {
  const dir = dataDir(data, env);
  const token = nonEmpty(env.BINNACLE_TOKEN);
  const url = nonEmpty(env.BINNACLE_URL);
  if (url !== undefined && data === undefined) {
    if (token !== undefined) return { url, token };
    throw new Failure(EXIT.refused, 'BINNACLE_URL is set, but there is no token.', 'Set BINNACLE_TOKEN.');
  }
  const known = token ?? readAdminToken(dir);
  const left = readGatewayFile(dir);
  if (left === undefined || known === undefined) {
    throw new Failure(
      EXIT.unreachable,
      `No gateway runs in ${dir}.`,
      'Start it with: binnacle serve. Or set BINNACLE_URL and BINNACLE_TOKEN to use another.',
    );
  }
  return { url: left.url, token: known };
}

/**
 * The address that the gateway wrote when it listened; undefined without a readable one, and in a copy: the file there names the
 * gateway of the original, and the token that was copied with it opens that.
 */
export function readGatewayFile(dir: string): { readonly url: string } | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dir, 'gateway.json'), 'utf8'));
    if (typeof value === 'object' && value !== null && 'url' in value && typeof value.url === 'string') {
      if ('directory' in value && value.directory !== identityOf(dir)) return undefined;
      return { url: value.url };
    }
  } catch {
    // None was started here yet, or it was stopped: the caller says so in words.
  }
  return undefined;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
