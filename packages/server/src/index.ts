export { type Gateway, type GatewayOptions, startGateway } from './gateway.ts';
export { VERSION } from './version.ts';
