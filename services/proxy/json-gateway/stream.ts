import { GrpcCode, type RpcError } from '../../../libs/errors';
import type { ClientStream } from '../../../libs/rpc';
import { httpStatusOf, streamErrorLine } from './errors';
import { bodyBytesMax, type Exchange, isMessage, messageOf, printFailure, readBody } from './exchange';
import { JsonInputError, JsonSplitter } from './json-text';
import { printMessage } from './print-message';

/** Answers a request to a method that gives a stream of messages: a line of JSON each, sent at once. */
export function serveStream(exchange: Exchange): void {
  new StreamExchange(exchange).run();
}

class StreamExchange {
  private readonly stream: ClientStream;
  private ended = false;

  constructor(private readonly exchange: Exchange) {
    const { backend, path, call } = exchange;
    this.stream = backend.stream(path, call);
  }

  run(): void {
    const { stream, exchange } = this;
    stream.onMessage((message) => this.write(message));
    stream.onClose((error) => this.finish(error));
    exchange.response.on('close', () => {
      this.ended = true;
      stream.cancel();
    });
    if (exchange.method.requestStream) this.readMessages();
    else this.readOneMessage();
  }

  private readOneMessage(): void {
    readBody(this.exchange, (body) => {
      const message = typeof body === 'string' ? messageOf(this.exchange, body) : body;
      if (!isMessage(message)) {
        this.abort(message);
        return;
      }
      this.stream.send(message);
      this.stream.halfClose();
    });
  }

  /** Each JSON value of the body is a message, sent as soon as it is whole; the end of the body is the half-close. */
  private readMessages(): void {
    const { stream } = this;
    const { request } = this.exchange;
    const splitter = new JsonSplitter(bodyBytesMax(this.exchange));
    stream.onDrain(() => request.resume());
    request.on('data', (chunk: Buffer) => {
      if (!this.ended && !this.forward(splitter, chunk)) request.pause();
    });
    request.on('end', () => {
      if (this.ended) return;
      if (splitter.unfinished) this.abort({ code: GrpcCode.InvalidArgument, message: 'unexpected EOF' });
      else stream.halfClose();
    });
  }

  /** False if the other side does not keep up. */
  private forward(splitter: JsonSplitter, chunk: Buffer): boolean {
    let keepsUp = true;
    for (const text of this.split(splitter, chunk)) {
      const message = messageOf(this.exchange, text);
      if (!isMessage(message)) {
        this.abort(message);
        return true;
      }
      keepsUp = this.stream.send(message) && keepsUp;
    }
    return keepsUp;
  }

  private split(splitter: JsonSplitter, chunk: Buffer): string[] {
    try {
      return splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof JsonInputError)) throw error;
      this.abort({ code: GrpcCode.InvalidArgument, message: error.message });
      return [];
    }
  }

  private write(message: Uint8Array): void {
    if (this.ended) return;
    let line: string;
    try {
      line = `{"result":${printMessage(message, this.exchange.method.response)}}\n`;
    } catch (error) {
      this.abort(printFailure(error));
      return;
    }
    this.sendHead(200);
    const { response } = this.exchange;
    if (response.write(line)) return;
    this.stream.pause();
    response.once('drain', () => this.stream.resume());
  }

  private abort(error: RpcError): void {
    this.finish(error);
    this.stream.cancel();
  }

  private finish(error: RpcError | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.sendHead(error === undefined ? 200 : httpStatusOf(error.code));
    this.exchange.response.end(error === undefined ? undefined : streamErrorLine(error));
    // What the client still sends must not keep the connection from its next request.
    this.exchange.request.resume();
  }

  private sendHead(status: number): void {
    const { response } = this.exchange;
    if (response.headersSent) return;
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Grpc-Metadata-Content-Type': 'application/grpc',
      'Transfer-Encoding': 'chunked',
    });
  }
}
