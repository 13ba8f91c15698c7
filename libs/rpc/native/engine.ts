import type { Address, Channel, ChannelOptions, RpcServer, ServerOptions } from '../types';
import { NativeChannel } from './channel';
import { NativeServer } from './server';

export function createServer(options: ServerOptions): RpcServer {
  return new NativeServer(options);
}

export function connect(address: Address, options: ChannelOptions): Channel {
  return new NativeChannel(address, options);
}
