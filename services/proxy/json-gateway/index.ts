export type { GatewayBackend, GatewayCall } from './backend';
export { JsonGateway, type JsonGatewayOptions } from './gateway';
export { createInProcessBackend } from './in-process-backend';
