// Location of the data directory, and the gateway that a command addresses.

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

import { EXIT, Failure, usage } from '../output/failure.ts';
import { dataFlag } from '../output/shell.ts';

export interface GatewayAddress {
  readonly url: string;
  readonly token: string;
}

/** Returns `--data`, else $BINNACLE_DATA, else the XDG data directory. */
export function dataDir(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(option ?? nonEmpty(env.BINNACLE_DATA) ?? defaultDataDir(env));
}

/** A gateway by its address, before it has proved its identity. */
export interface NamedGateway extends GatewayAddress {
  /** Undefined if the environment names the address: its author vouches for it. */
  readonly file: GatewayFile | undefined;
}

/**
 * Returns $BINNACLE_URL and $BINNACLE_TOKEN, else the files of the gateway in the data directory: `gateway.json` and
 * `admin.token`. An explicit `--data` wins over $BINNACLE_URL, because it is more specific.
 */
export function namedGateway(data: string | undefined, env: NodeJS.ProcessEnv = process.env): NamedGateway {
  const dir = dataDir(data, env);
  const token = nonEmpty(env.BINNACLE_TOKEN);
  const url = nonEmpty(env.BINNACLE_URL);
  if (url !== undefined && data === undefined) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
      const hint = 'Write the address as http://127.0.0.1:7117.';
      throw usage(`BINNACLE_URL is not the address of a gateway: ${url}.`, hint);
    }
    if (token !== undefined) return { url, token, file: undefined };
    throw new Failure(EXIT.refused, 'BINNACLE_URL is set, but there is no token.', 'Set BINNACLE_TOKEN.');
  }
  const known = token ?? readAdminToken(dir);
  const file = gatewayFileOf(dir);
  if (file === undefined || known === undefined) {
    throw new Failure(
      EXIT.unreachable,
      `No gateway runs in ${dir}.`,
      `Start the gateway with: binnacle serve${dataFlag(data)}. Or set BINNACLE_URL and BINNACLE_TOKEN to use another.`,
    );
  }
  return { url: file.url, token: known, file };
}

/**
 * Returns the gateway that a command addresses, after it has proved its identity. The file of a killed gateway remains,
 * and its port may belong to another program by now, which must not get the token.
 */
export async function findGateway(
  data: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<GatewayAddress> {
  const { url, token, file } = namedGateway(data, env);
  const answers = file === undefined ? 'gateway' : await whoAnswers(file);
  if (answers === 'gateway') return { url, token };
  if (answers === 'nobody') throw new BinnacleError('unreachable', { details: { url } });
  throw new Failure(
    EXIT.unreachable,
    `No gateway runs in ${dataDir(data, env)}: another program answers at ${url}.`,
    `Start the gateway with: binnacle serve${dataFlag(data)}.`,
  );
}

/**
 * Reads the file that the gateway wrote when it listened. Undefined without a readable file, and in a copied data
 * directory: the copied file names the gateway of the original, and the copied token would open that gateway.
 */
export function gatewayFileOf(dir: string): GatewayFile | undefined {
  const file = readGatewayFile(dir);
  return file?.directory !== undefined && file.directory !== identityOf(dir) ? undefined : file;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
