import type { Address, Channel, ChannelOptions, EngineName, RpcServer, ServerOptions } from './types';

export const defaultEngine: EngineName = 'native';

interface Engine {
  createServer(options: ServerOptions): RpcServer;
  connect(address: Address, options: ChannelOptions): Channel;
}

/** A server without a listener yet. Handlers may be added before and after `listen`. */
export function createServer(options: ServerOptions = {}): RpcServer {
  return loadEngine(options.engine).createServer(options);
}

/** A channel of one connection, made on first use. */
export function connect(address: Address, options: ChannelOptions = {}): Channel {
  return loadEngine(options.engine).connect(address, options);
}

/** Engines are loaded on first use, so a process on one engine does not pay for the other. */
function loadEngine(name: EngineName = defaultEngine): Engine {
  return name === 'native'
    ? (require('./native/engine') as typeof import('./native/engine'))
    : (require('./grpc-js/engine') as typeof import('./grpc-js/engine'));
}
