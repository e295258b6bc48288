// A gateway with agents and real plugins that speak up in conversations, and what those were told.

import type { PluginGrantValue } from '@binnacle/protocol';
import type { GatewayOptions } from '../../packages/server/src/gateway/options.ts';
import { AGENTS, type Core, openCore } from '../conversations/core.fixture.ts';
import type { Ask, GatewayAccess, Reply } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';
import { installPlugin, pluginInfo } from './installed.fixture.ts';

export interface Told {
  readonly on: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
  readonly event: any;
}

/**
 * What every one of them begins with: `told` is what GET /told gives, and `gate(NAME)` waits for POST /open/NAME.
 */
const COMMON = `
const told = [];
const gates = new Map();
const gateOf = (name) => {
  if (!gates.has(name)) {
    let open;
    const promise = new Promise((resolve) => { open = resolve; });
    gates.set(name, { promise, open });
  }
  return gates.get(name);
};
const gate = (name) => gateOf(name).promise;
const common = (api) => {
  api.route('GET', '/told', () => ({ body: { told } }));
  api.route('POST', '/open/:name', ({ params }) => { gateOf(params.name).open(); return {}; });
};
`;

export class PluginCore {
  readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  get gateway(): GatewayAccess {
    const { core } = this;
    const fetchIt = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(core.gateway.url + path, {
        ...init,
        headers: { authorization: `Bearer ${core.gateway.token}`, ...init.headers },
      });
    return { fetch: fetchIt } as GatewayAccess;
  }

  /** `body`: of the function that is given `api`. */
  async install(id: string, body: string, permissions: Readonly<Record<string, PluginGrantValue>>): Promise<void> {
    const source = `${COMMON}\nexport default (api) => {\ncommon(api);\n${body}\n};\n`;
    await installPlugin(this.gateway, { id, source, permissions: { ...permissions, httpRoutes: true } });
  }

  /** After a restart, say. */
  async runs(id: string): Promise<void> {
    await until(`${id} runs`, async () => (await pluginInfo(this.gateway, id)).state === 'running');
  }

  async told(id: string, on?: string): Promise<readonly Told[]> {
    const { json } = await this.page(id, '/told');
    const told = json.told as readonly Told[];
    return on === undefined ? told : told.filter((one) => one.on === on);
  }

  async open(id: string, gate: string): Promise<void> {
    await this.page(id, `/open/${gate}`, { method: 'POST' });
  }

  /** One of its routes, which must answer with success. */
  async page(id: string, path: string, ask: Ask = {}): Promise<Reply> {
    for (;;) {
      const reply = await this.core.ask(`/plugins/${id}${path}`, ask);
      if (reply.status === 200) return reply;
      // Tests ask oftener than a plugin may be asked.
      if (reply.code !== 'too_fast') throw new Error(reply.text);
      await new Promise((resolve) => setTimeout(resolve, reply.json.error.details.retryAfterMs));
    }
  }

  async close(): Promise<void> {
    await this.core.close();
  }
}

export async function openPluginCore(
  config: object = { agents: { entries: AGENTS } },
  options: Partial<GatewayOptions> = {},
): Promise<PluginCore> {
  return new PluginCore(await openCore(options, config));
}
