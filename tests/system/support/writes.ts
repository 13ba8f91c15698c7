import { Client, credentials } from '@grpc/grpc-js';
import { encodePutRequest, KV_PATHS } from '../../../proto/gen/etcdserverpb';

const bytes = (message: Buffer): Buffer => message;

/** Puts through plain grpc-js; the clients stay open until `close`. */
export class Writer {
  private readonly clients: readonly Client[];
  /** Keys whose put was acknowledged. */
  readonly acknowledged: string[] = [];

  constructor(endpoints: readonly string[]) {
    this.clients = endpoints.map((endpoint) => new Client(endpoint, credentials.createInsecure()));
  }

  put(key: string, value: string | Buffer, client = 0): Promise<void> {
    const request = Buffer.from(encodePutRequest({ key: Buffer.from(key), value: Buffer.from(value) }));
    return new Promise((resolve, reject) => {
      const connection = this.clients[client % this.clients.length] as Client;
      const deadline = Date.now() + 10_000;
      connection.makeUnaryRequest(KV_PATHS.Put, bytes, bytes, request, { deadline }, (error) => {
        if (error !== null) return reject(error);
        this.acknowledged.push(key);
        resolve();
      });
    });
  }

  /** Puts `count` keys `prefix0`, `prefix1`, … with many at a time; rejects at the first error. */
  async fill(prefix: string, count: number, value: string | Buffer, concurrency = 50): Promise<void> {
    let next = 0;
    const one = async (client: number): Promise<void> => {
      while (next < count) await this.put(`${prefix}${next++}`, value, client);
    };
    await Promise.all(Array.from({ length: concurrency }, (_, client) => one(client)));
  }

  /** Puts on and on until stopped; failed puts are tried elsewhere with another key. Gives the way to stop. */
  keepWriting(prefix: string, value: string | Buffer, concurrency = 10): () => Promise<void> {
    let isOn = true;
    let next = 0;
    const one = async (first: number): Promise<void> => {
      for (let client = first; isOn; ) {
        try {
          await this.put(`${prefix}${next++}`, value, client);
        } catch {
          client += 1; // outcome unknown; that endpoint may be gone
        }
      }
    };
    const all = Promise.all(Array.from({ length: concurrency }, (_, client) => one(client)));
    return async () => {
      isOn = false;
      await all;
    };
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}
