// A gateway whose only routes are those of real plugin processes. No part of the product.

import { pino } from 'pino';
import { type Gateway, openGateway } from '../../packages/server/src/api/http/gateway.fixture.ts';
import { type PluginPageLimits, pluginPages } from '../../packages/server/src/api/plugin-pages/plugin-pages.ts';
import type { PluginHost } from '../../packages/server/src/plugins/host/host.ts';
import { methodOf, type Offer, OffersShape } from '../../packages/server/src/plugins/offers/offers.ts';
import { Plugins } from './plugin.fixture.ts';

export interface Pages {
  readonly gateway: Gateway;
  readonly hosts: Map<string, PluginHost>;
  /** What went to the plugins. */
  readonly asked: { readonly plugin: string; readonly params: unknown }[];
  /** Lines of the log of the pages. */
  readonly logged: string[];
  /** A plugin by this source of its entry, running. */
  add(id: string, source: string): Promise<PluginHost>;
  /** Every route in force, or none: as a config file would. */
  grant(isGranted: boolean): void;
  close(): Promise<void>;
}

export async function openPages(limits: Partial<PluginPageLimits> = {}): Promise<Pages> {
  const plugins = new Plugins();
  const hosts = new Map<string, PluginHost>();
  const offers = new Map<string, readonly Offer[]>();
  const asked: { plugin: string; params: unknown }[] = [];
  const logged: string[] = [];
  let isGranted = true;
  const offered = () =>
    [...offers].flatMap(([plugin, all]) =>
      all.flatMap((offer) => {
        const host = hosts.get(plugin);
        if (offer.kind !== 'route' || host === undefined || !isGranted) return [];
        const invoke = (params: unknown, deadlineMs: number) => {
          asked.push({ plugin, params });
          return host.invoke(methodOf(offer), params, deadlineMs);
        };
        return [{ plugin, offer, invoke, note: () => undefined }];
      }),
    );
  const routes = pluginPages({
    offered,
    auth: {
      authorize: (...given) => gateway.auth.authorize(...given),
      assertLive: (principal) => gateway.auth.assertLive(principal),
    },
    log: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
    limits,
  });
  const gateway: Gateway = await openGateway({ routes });
  return {
    ...{ gateway, hosts, asked, logged },
    add: async (id, source) => {
      const { host } = await plugins.host({
        id,
        source,
        ready: (_methods, given) => void offers.set(id, OffersShape.parse(given)),
      });
      hosts.set(id, host);
      await host.start();
      return host;
    },
    grant: (isNow) => {
      isGranted = isNow;
    },
    close: async () => {
      await gateway.close();
      await plugins.close();
    },
  };
}
