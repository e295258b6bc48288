export { VERSION } from './base/version.ts';
export { startGateway } from './gateway/gateway.ts';
export type { Gateway, GatewayOptions } from './gateway/options.ts';
