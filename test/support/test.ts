// `it` with what most tests of the whole system need. A fixture that a test does not name is not made.

import { it as base } from 'vitest';
import { type GatewaySpec, openGateway } from './gateway.ts';
import { type OpenPage, openPage } from './page.ts';
import { forFile } from './teardown.ts';
import { tempDir } from './temp-dir.ts';
import type { Frames } from './wire.ts';

export { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';

/**
 * - `gatewaySpec`: how the gateway of this file is opened. `it.override('gatewaySpec', { maxSessions: 2 })`.
 * - `gateway`: one in this process, for the whole file.
 * - `dir`: an empty directory, for this test.
 * - `page`: logged in and connected, for this test.
 * - `frames`: a WebSocket to /v1/ws, for this test.
 */
export const it = base
  .extend('gatewaySpec', { scope: 'file' }, (): GatewaySpec => ({}))
  .extend('gateway', { scope: 'file' }, ({ gatewaySpec }) => forFile(() => openGateway(gatewaySpec)))
  .extend('dir', (): string => tempDir())
  .extend('page', ({ gateway }): Promise<OpenPage> => openPage(gateway))
  .extend('frames', ({ gateway }): Promise<Frames> => gateway.frames());
