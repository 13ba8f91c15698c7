import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { toCatalogueError } from '../../libs/errors';

export type Answer =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** definite: the request had no effect and never will. */
  | { readonly ok: false; readonly code: number; readonly message: string; readonly definite: boolean };

const identity = (bytes: Buffer): Buffer => bytes;
/** grpc-js says so when it had no connection to send the request on. */
const NEVER_SENT = /^No connection established/;

/** A client of one member that neither repeats a request nor goes to another member. */
export class MemberClient {
  private readonly client: Client;

  constructor(readonly endpoint: string) {
    this.client = new Client(endpoint, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.min_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
    });
  }

  call(path: string, request: Uint8Array, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + timeoutMs };
      this.client.makeUnaryRequest(path, identity, identity, Buffer.from(request), options, (error, bytes) => {
        resolve(error === null ? { ok: true, bytes: bytes ?? Buffer.alloc(0) } : failure(error));
      });
    });
  }

  /** A stream in both directions; `onEnd` runs once, whatever ends it. */
  stream(path: string, onMessage: (bytes: Uint8Array) => void, onEnd: (reason: string) => void): ClientStream {
    const call = this.client.makeBidiStreamRequest(path, identity, identity);
    let ended = false;
    const end = (reason: string): void => {
      if (ended) return;
      ended = true;
      onEnd(reason);
    };
    call.on('data', (bytes: Buffer) => {
      if (!ended) onMessage(bytes);
    });
    call.on('error', (error) => end(error.message));
    call.on('end', () => end('the server ended the stream'));
    return {
      send: (bytes) => void call.write(Buffer.from(bytes)),
      cancel: () => {
        end('cancelled');
        call.cancel();
      },
    };
  }

  close(): void {
    this.client.close();
  }
}

export interface ClientStream {
  send(bytes: Uint8Array): void;
  cancel(): void;
}

function failure(error: ServiceError): Answer {
  const message = error.details;
  const neverSent = error.code === status.UNAVAILABLE && NEVER_SENT.test(message);
  const { outcome } = toCatalogueError({ code: error.code, message });
  return { ok: false, code: error.code, message, definite: neverSent || outcome === 'definite' };
}
