import { clientTls } from './mutual-tls';
import type { Address, Channel, ChannelOptions, EngineName, RpcServer, ServerOptions } from './types';

export const defaultEngine: EngineName = 'native';

/** What makes servers and channels. */
export interface Engine {
  createServer(options: ServerOptions): RpcServer;
  connect(address: Address, options: ChannelOptions): Channel;
}

let substitute: Engine | undefined;

/** Every server and channel made from now on is this engine's, whatever they ask for: for simulations. */
export function substituteEngine(engine: Engine | undefined): void {
  substitute = engine;
}

/** A server without a listener yet. Handlers may be added before and after `listen`. */
export function createServer(options: ServerOptions = {}): RpcServer {
  return loadEngine(options.engine).createServer(options);
}

/** A channel of one connection, made on first use. */
export function connect(address: Address, options: ChannelOptions = {}): Channel {
  const tls = options.tls ?? clientTls(address);
  return loadEngine(options.engine).connect(address, tls === undefined ? options : { ...options, tls });
}

/** Engines are loaded on first use, so a process on one engine does not pay for the other. */
function loadEngine(name: EngineName = defaultEngine): Engine {
  if (substitute !== undefined) return substitute;
  return name === 'native'
    ? (require('./native/engine') as typeof import('./native/engine'))
    : (require('./grpc-js/engine') as typeof import('./grpc-js/engine'));
}
