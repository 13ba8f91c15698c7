import { readFileSync } from 'node:fs';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  AUTH_PATHS,
  encodeAuthUserAddRequest,
  encodeLeaseTimeToLiveRequest,
  encodePutRequest,
  encodeWatchRequest,
  KV_PATHS,
  LEASE_PATHS,
  WATCH_PATHS,
} from '../../../proto/gen/etcdserverpb';
import type { Stack } from './stack';

const same = (bytes: Buffer): Buffer => bytes;

function open(stack: Stack, traceId: string): { readonly client: Client; readonly metadata: Metadata } {
  const { ca, cert, key } = stack.credentials;
  const client = new Client(
    stack.endpoint,
    credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(cert)),
  );
  const metadata = new Metadata();
  metadata.set('traceparent', `00-${traceId}-00f067aa0ba902b7-01`);
  return { client, metadata };
}

/** A unary call through the edge with a W3C trace context that is sampled. */
async function traced(stack: Stack, traceId: string, path: string, request: Uint8Array): Promise<void> {
  const { client, metadata } = open(stack, traceId);
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(path, same, same, Buffer.from(request), metadata, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  } finally {
    client.close();
  }
}

export function tracedPut(stack: Stack, traceId: string): Promise<void> {
  return traced(
    stack,
    traceId,
    KV_PATHS.Put,
    encodePutRequest({ key: Buffer.from('traced'), value: Buffer.from('v') }),
  );
}

/** Asks for what the lease process knows. */
export function tracedTimeToLive(stack: Stack, traceId: string, lease: bigint): Promise<void> {
  return traced(stack, traceId, LEASE_PATHS.LeaseTimeToLive, encodeLeaseTimeToLiveRequest({ ID: lease }));
}

/** Has the auth process hash a password. */
export function tracedUserAdd(stack: Stack, traceId: string, name: string): Promise<void> {
  return traced(stack, traceId, AUTH_PATHS.UserAdd, encodeAuthUserAddRequest({ name, password: 'secret' }));
}

/** Creates a watcher, does `work` while it is there, and ends it. */
export async function tracedWatch(
  stack: Stack,
  traceId: string,
  key: string,
  work: () => Promise<void>,
): Promise<void> {
  const { client, metadata } = open(stack, traceId);
  const stream = client.makeBidiStreamRequest(WATCH_PATHS.Watch, same, same, metadata);
  try {
    await new Promise<void>((resolve, reject) => {
      stream.once('data', () => resolve());
      stream.once('error', reject);
      stream.write(Buffer.from(encodeWatchRequest({ createRequest: { key: Buffer.from(key) } })));
    });
    await work();
  } finally {
    stream.on('error', () => undefined); // it is cancelled
    stream.cancel();
    client.close();
  }
}
