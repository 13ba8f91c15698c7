import type { Address, Channel, ChannelOptions, RpcServer, ServerOptions } from '../types';
import { GrpcJsChannel } from './channel';
import { GrpcJsServer } from './server';

export function createServer(options: ServerOptions): RpcServer {
  return new GrpcJsServer(options);
}

export function connect(address: Address, options: ChannelOptions): Channel {
  return new GrpcJsChannel(address, options);
}
