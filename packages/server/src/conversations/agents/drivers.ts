// All built-in drivers, by name.

import { BinnacleError } from '@binnacle/protocol';
import { acpDriver } from '../drivers/acp/acp.ts';
import { claudeCodeDriver } from '../drivers/claude-code/claude-code.ts';
import { codexDriver } from '../drivers/codex/codex.ts';
import type { Driver } from '../drivers/driver.ts';
import { commandDriver } from '../drivers/local/command.ts';
import { echoDriver } from '../drivers/local/echo.ts';
import { openaiDriver } from '../drivers/openai/openai.ts';

const DRIVERS: readonly Driver[] = [echoDriver, acpDriver, claudeCodeDriver, codexDriver, commandDriver, openaiDriver];

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
