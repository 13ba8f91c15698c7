import { request as httpRequest } from 'node:http';
import { Duplex } from 'node:stream';
import type { PlainHttpStream } from './plain-http-stream';

const connectionFields = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/**
 * Answers requests over HTTP/2 that are not gRPC (curl with TLS negotiates HTTP/2) by the server's HTTP/1.1 handler: each is
 * sent through Node's own HTTP client over a pair of streams in memory. Slow, and only for people and gateways.
 */
export class Http1Bridge {
  readonly #inject: (socket: Duplex) => void;

  /** `inject` hands a connection to the HTTP/1.1 server. */
  constructor(inject: (socket: Duplex) => void) {
    this.#inject = inject;
  }

  forward(stream: PlainHttpStream): void {
    const { head } = stream;
    const [near, far] = streamPair();
    Object.assign(far, identityOf(stream));
    this.#inject(far);
    const outgoing = httpRequest({
      createConnection: () => near as never,
      method: head.method,
      path: head.path,
      headers: headersOf(stream),
    });
    stream.onBody = (bytes) => {
      if (!outgoing.write(bytes)) stream.setFull(true);
    };
    outgoing.on('drain', () => stream.setFull(false));
    stream.onEnd = () => void outgoing.end();
    stream.onGone = () => {
      outgoing.destroy();
      far.destroy();
    };
    outgoing.on('error', () => {
      stream.respond(502, []);
      stream.end();
    });
    outgoing.on('response', (response) => {
      const fields: Array<readonly [string, string]> = [];
      for (const [name, value] of Object.entries(response.headers)) {
        if (connectionFields.has(name) || value === undefined) continue;
        for (const each of Array.isArray(value) ? value : [value]) fields.push([name, each]);
      }
      stream.respond(response.statusCode ?? 500, fields);
      stream.onWritable(() => response.resume());
      response.on('data', (chunk: Buffer) => {
        if (!stream.write(chunk)) response.pause();
      });
      response.on('end', () => stream.end());
    });
  }
}

function headersOf(stream: PlainHttpStream): Record<string, string[]> {
  const headers: Record<string, string[]> = { host: [stream.head.authority] };
  for (const [name, value] of stream.head.fields) {
    if (name === 'te' || name === 'host') continue;
    headers[name] ??= [];
    headers[name].push(value);
  }
  return headers;
}

/** What HTTP handlers ask of a socket. */
function identityOf(stream: PlainHttpStream): object {
  const { socket } = stream.transport;
  const secure = socket as { encrypted?: boolean; authorized?: boolean; getPeerCertificate?: () => unknown };
  return {
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    encrypted: secure.encrypted === true,
    authorized: secure.authorized === true,
    getPeerCertificate: () => secure.getPeerCertificate?.() ?? {},
  };
}

class StreamEnd extends Duplex {
  peer: StreamEnd | undefined;
  #wanted: (() => void) | undefined;

  override _read(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { peer } = this;
    if (peer === undefined || peer.destroyed || peer.push(chunk)) done();
    else peer.#wanted = done;
  }

  override _final(done: () => void): void {
    this.peer?.push(null);
    done();
  }
}

function streamPair(): readonly [StreamEnd, StreamEnd] {
  const near = new StreamEnd();
  const far = new StreamEnd();
  near.peer = far;
  far.peer = near;
  return [near, far];
}
