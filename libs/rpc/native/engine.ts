import type { Address, Channel, ChannelOptions, RpcServer, ServerOptions } from '../types';

export function createServer(_options: ServerOptions): RpcServer {
  throw new Error('the native engine is not built yet');
}

export function connect(_address: Address, _options: ChannelOptions): Channel {
  throw new Error('the native engine is not built yet');
}
