// The registry of the built-in drivers.

import { BinnacleError } from '@binnacle/protocol';
import type { OwnDriver } from '../../config/schema.ts';
import { acpDriver } from '../drivers/acp/acp.ts';
import { claudeCodeDriver } from '../drivers/claude-code/claude-code.ts';
import { codexDriver } from '../drivers/codex/codex.ts';
import type { Driver } from '../drivers/driver.ts';
import { commandDriver } from '../drivers/local/command.ts';
import { echoDriver } from '../drivers/local/echo.ts';
import { openaiDriver } from '../drivers/openai/openai.ts';

/** One driver per name of the config file: the compiler refuses a missing one. Errors list the names in this order. */
const BUILT_IN: Readonly<Record<OwnDriver, Driver>> = {
  echo: echoDriver,
  acp: acpDriver,
  'claude-code': claudeCodeDriver,
  codex: codexDriver,
  command: commandDriver,
  openai: openaiDriver,
};
const DRIVERS: readonly Driver[] = Object.values(BUILT_IN);

export const DRIVER_NAMES: readonly string[] = DRIVERS.map(({ name }) => name);

/** Returns a driver. Throws `bad_request` with the list of names. */
export function driverOf(name: string): Driver {
  const driver = DRIVERS.find((each) => each.name === name);
  if (driver !== undefined) return driver;
  throw new BinnacleError('bad_request', {
    message: `There is no driver "${name.slice(0, 64)}".`,
    hint: `The drivers are ${DRIVER_NAMES.join(', ')}.`,
    details: { drivers: DRIVER_NAMES },
  });
}
