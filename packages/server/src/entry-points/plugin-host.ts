// The parts of the gateway that load a plugin and call its offers, for a test of the plugin without a gateway.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export { responseOf } from '../api/plugin-pages/page-answer.ts';
export { findPage, queryOf } from '../api/plugin-pages/page-request.ts';
export type { Log } from '../base/logger.ts';
export { defaultSettings, policyOf } from '../config/plugin-settings.ts';
export { type Decision, Gate } from '../plugins/grant/gate.ts';
export { thisMachine } from '../plugins/grant/world.ts';
export { PluginHost } from '../plugins/host/host.ts';
export { chooseLevel } from '../plugins/host/isolation-level.ts';
export { probeSandbox, type Sandbox } from '../plugins/host/sandbox.ts';
export { residentBytes } from '../plugins/host/supervision.ts';
export { Installations, type StagedPlugin } from '../plugins/install/installation.ts';
export { requestedGrants } from '../plugins/install/manifest.ts';
export { commandsOf } from '../plugins/offers/conversation-hooks.ts';
export { type BeforeHook, Hooks } from '../plugins/offers/hooks.ts';
export { readOffers } from '../plugins/offers/offer-problems.ts';
export { methodOf, needOf, type Offer, type Offers } from '../plugins/offers/offers.ts';
export { PluginTools, toolNameOf } from '../plugins/offers/tools.ts';
export { deadlineOf } from '../plugins/powers/all.ts';
export { Fetches } from '../plugins/powers/fetch.ts';
export { type PluginCaller, type Power, type Powers, powerNamed } from '../plugins/powers/powers.ts';
export { PluginPrograms } from '../plugins/powers/run-command.ts';

/**
 * Returns the path of a bundled program of the server: beside this bundle, or in dist/ when the sources run unbundled.
 */
export function bundledProgram(name: string): string {
  const bundled = fileURLToPath(new URL(name, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}
