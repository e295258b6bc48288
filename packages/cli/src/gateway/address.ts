// Where the data directory is, and which gateway a command means.

import { resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import {
  defaultDataDir,
  type GatewayFile,
  identityOf,
  readAdminToken,
  readGatewayFile,
  whoAnswers,
} from '@binnacle/server/data-directory';
import { EXIT, Failure } from '../output/failure.ts';

export interface Place {
  readonly url: string;
  readonly token: string;
}

/** `--data`, else $BINNACLE_DATA, else the XDG data directory. */
export function dataDir(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(given ?? nonEmpty(env.BINNACLE_DATA) ?? defaultDataDir(env));
}

/** A gateway by its address, before it has proved that it is the one that answers there. */
export interface NamedGateway extends Place {
  /** Undefined where the environment names the address: whoever wrote it there vouches for it. */
  readonly file: GatewayFile | undefined;
}

/**
 * $BINNACLE_URL and $BINNACLE_TOKEN, else what the gateway of the data directory has left there: `gateway.json` and
 * `admin.token`. An explicit `--data` wins over $BINNACLE_URL: it was said last.
 */
export function namedGateway(data: string | undefined, env: NodeJS.ProcessEnv = process.env): NamedGateway {
  const dir = dataDir(data, env);
  const token = nonEmpty(env.BINNACLE_TOKEN);
  const url = nonEmpty(env.BINNACLE_URL);
  if (url !== undefined && data === undefined) {
    if (token !== undefined) return { url, token, file: undefined };
    throw new Failure(EXIT.refused, 'BINNACLE_URL is set, but there is no token.', 'Set BINNACLE_TOKEN.');
  }
  const known = token ?? readAdminToken(dir);
  const file = gatewayFileOf(dir);
  if (file === undefined || known === undefined) {
    throw new Failure(
      EXIT.unreachable,
      `No gateway runs in ${dir}.`,
      'Start it with: binnacle serve. Or set BINNACLE_URL and BINNACLE_TOKEN to use another.',
    );
  }
  return { url: file.url, token: known, file };
}

/**
 * Returns the gateway that a command means, once it has proved that it is the one that answers. The file of a gateway
 * that was killed stays, and its port may be another program's by now, which is not to have the token.
 */
export async function findGateway(data: string | undefined, env: NodeJS.ProcessEnv = process.env): Promise<Place> {
  const { url, token, file } = namedGateway(data, env);
  const answers = file === undefined ? 'gateway' : await whoAnswers(file);
  if (answers === 'gateway') return { url, token };
  if (answers === 'nobody') throw new BinnacleError('unreachable', { details: { url } });
  throw new Failure(
    EXIT.unreachable,
    `No gateway runs in ${dataDir(data, env)}: another program answers at ${url}.`,
    'Start it with: binnacle serve.',
  );
}

/**
 * Reads what the gateway wrote when it listened; undefined without a readable file, and in a copy: the file there names
 * the gateway of the original, and the token that was copied with it opens that.
 */
export function gatewayFileOf(dir: string): GatewayFile | undefined {
  const file = readGatewayFile(dir);
  return file?.directory !== undefined && file.directory !== identityOf(dir) ? undefined : file;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
