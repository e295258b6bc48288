// A gateway for a file whose kills are in `npm run test:all` alone: a process of its own there, in this process otherwise.

import { isAll } from './count.ts';
import { type Gateway, type GatewaySpec, openGateway } from './gateway.ts';
import { GatewayProcess, openGatewayProcess } from './gateway-process.ts';

export type AnyGateway = Gateway | GatewayProcess;

/** `flags`: those of `binnacle serve` that say the same as `spec`, for the process. */
export const openAnyGateway = (spec: GatewaySpec = {}, flags?: readonly string[]): Promise<AnyGateway> =>
  isAll ? openGatewayProcess(flags === undefined ? spec : { flags }) : openGateway(spec);

/** SIGKILL, for a test that is `inAll`. */
export async function killGateway(gateway: AnyGateway): Promise<void> {
  if (!(gateway instanceof GatewayProcess)) throw new Error('A gateway in this process cannot be killed.');
  await gateway.kill();
}
