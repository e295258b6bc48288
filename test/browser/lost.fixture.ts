// A gateway that goes away under its pages, and comes back.

import { isAll } from '../support/count.ts';
import { type Gateway, type GatewaySpec, openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';

export type LostGateway = (Gateway | GatewayProcess) & { lose(): Promise<void> };

/**
 * `lose()` kills it in `npm run test:all`. In `npm test` it stops in the process of the tests, which saves two processes;
 * resuming.test.ts kills one there. `restart()` brings it back on its directory and port.
 */
export async function openLostGateway({ prepare }: Pick<GatewaySpec, 'prepare'> = {}): Promise<LostGateway> {
  const spec = prepare === undefined ? {} : { prepare };
  if (!isAll) {
    const gateway = await openGateway(spec);
    return Object.assign(gateway, { lose: () => gateway.stop() });
  }
  const gateway = await openGatewayProcess({ flags: [], ...spec });
  return Object.assign(gateway, { lose: () => gateway.kill() });
}
