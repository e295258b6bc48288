// The stock OpenSandbox SDK, unmodified, pointed at a gateway in the four ways that it can be.

import {
  type AdapterFactory,
  ConnectionConfig,
  DefaultAdapterFactory,
  type ExecdCommands,
  type ExecdHealth,
  type ExecdMetrics,
  Sandbox,
} from '@alibaba-group/opensandbox';
import { CommandsAdapter, createExecdClient, HealthAdapter, MetricsAdapter } from '@alibaba-group/opensandbox/internal';
import type { GatewayAccess } from '../support/gateway-access.ts';

export interface Sdk {
  readonly commands: ExecdCommands;
  readonly health: ExecdHealth;
  readonly metrics: ExecdMetrics;
  close(): Promise<void>;
}

type Gateway = Pick<GatewayAccess, 'url' | 'token'>;

const endpointHeaders = (token: string) => ({ 'X-EXECD-ACCESS-TOKEN': token });
const hostOf = (url: string): string => new URL(url).host;

/** A: its adapters, one by one. */
export async function byAdapters({ url, token }: Gateway): Promise<Sdk> {
  const options = { baseUrl: url, headers: endpointHeaders(token) };
  const client = createExecdClient(options);
  return {
    commands: new CommandsAdapter(client, options),
    health: new HealthAdapter(client),
    metrics: new MetricsAdapter(client),
    close: async () => undefined,
  };
}

/** B: the public root of the package only. */
export async function byFactory({ url, token }: Gateway): Promise<Sdk> {
  const connectionConfig = new ConnectionConfig({ domain: hostOf(url) }).withTransportIfMissing();
  const stack = new DefaultAdapterFactory().createExecdStack({
    connectionConfig,
    execdBaseUrl: url,
    endpointHeaders: endpointHeaders(token),
  });
  return { ...stack, close: () => connectionConfig.closeTransport() };
}

/** C: `Sandbox.connect` with a factory that knows the address. */
export async function byConnectWithFactory({ url, token }: Gateway): Promise<Sdk> {
  class Factory extends DefaultAdapterFactory {
    override createLifecycleStack(): ReturnType<AdapterFactory['createLifecycleStack']> {
      const getSandboxEndpoint = async () => ({ endpoint: hostOf(url), headers: endpointHeaders(token) });
      return { sandboxes: { getSandboxEndpoint } } as unknown as ReturnType<AdapterFactory['createLifecycleStack']>;
    }
  }
  const connectionConfig = new ConnectionConfig({ domain: hostOf(url) });
  return ofSandbox(await Sandbox.connect({ sandboxId: 'any', adapterFactory: new Factory(), connectionConfig }));
}

/** D: `Sandbox.connect` as everybody writes it. */
export async function byConnect({ url, token }: Gateway): Promise<Sdk> {
  return ofSandbox(
    await Sandbox.connect({ sandboxId: 'any', connectionConfig: { domain: hostOf(url), apiKey: token } }),
  );
}

const ofSandbox = (sandbox: Sandbox): Sdk => ({
  commands: sandbox.commands,
  health: sandbox.health,
  metrics: sandbox.metrics,
  close: () => sandbox.close(),
});
