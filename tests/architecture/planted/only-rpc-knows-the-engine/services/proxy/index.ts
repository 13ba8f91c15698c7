import { Server } from '@grpc/grpc-js';
export const x = Server;
