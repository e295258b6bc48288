export { startGateway } from './gateway.ts';
export type { Gateway, GatewayOptions } from './gateway-options.ts';
export { VERSION } from './version.ts';
