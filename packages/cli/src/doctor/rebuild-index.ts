// `binnacle doctor --rebuild-index`: makes the running gateway, or the next one, rebuild the search index.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, type WireError } from '@binnacle/protocol';
import { removeIndex } from '@binnacle/server/maintenance';
import type { Options } from '../declarations/commands.ts';
import { dataDir, findGateway } from '../gateway/address.ts';
import { httpFetch } from '../gateway/http-fetch.ts';
import { EXIT, Failure } from '../output/failure.ts';
import { locked } from './locked.ts';

export async function rebuildIndex(options: Options<'doctor'>): Promise<number> {
  const dir = dataDir(options.data);
  if (!existsSync(dir)) throw new Failure(EXIT.failed, `There is no data directory at ${dir}.`);
  const by =
    locked(dir, () => {
      removeIndex(join(dir, 'index.sqlite'));
      return 'next_start';
    }) ?? 'gateway';
  if (by === 'gateway') await askGateway(dir);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ rebuild: by })}\n`);
  else if (by === 'gateway')
    process.stdout.write('The gateway rebuilds the index. Search finds more as the index grows.\n');
  else process.stdout.write('The index was removed. The next gateway rebuilds it from the logs.\n');
  return EXIT.ok;
}

async function askGateway(dir: string): Promise<void> {
  const { url, token } = await findGateway(dir);
  const response = await httpFetch(`${url}/v1/search/rebuild`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw BinnacleError.fromWire(((await response.json()) as { error: WireError }).error);
}
