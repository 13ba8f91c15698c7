import type { ConnectionInfo } from '../../libs/rpc';

/** What one connection has under way. */
export interface Share {
  requests: number;
  bytes: number;
}

export interface AdmissionBounds {
  readonly requestsMax: number;
  readonly bytesMax: number;
}

/**
 * Bounds what is under way in this process. A connection may have as much under way as is still free (dynamic thresholds,
 * Choudhury and Hahne 1998): alone it gets half of all, n greedy ones get n/(n+1) between them, and whoever comes new is
 * always served.
 */
export class Admission {
  private readonly total: Share = { requests: 0, bytes: 0 };
  /** Requests that found no place. */
  refusals = 0;
  private readonly shares = new Map<ConnectionInfo, Share>();

  constructor(private readonly bounds: AdmissionBounds) {}

  get requests(): number {
    return this.total.requests;
  }

  get connections(): number {
    return this.shares.size;
  }

  /** The connection's share; the same one for its whole life. */
  shareOf(connection: ConnectionInfo): Share {
    const known = this.shares.get(connection);
    if (known !== undefined) return known;
    const share: Share = { requests: 0, bytes: 0 };
    this.shares.set(connection, share);
    connection.onClose(() => this.shares.delete(connection));
    return share;
  }

  /** False: too many requests. Else `leave` is to be called with the same numbers. */
  enter(share: Share, bytes: number): boolean {
    if (this.hasRoom(share, bytes)) {
      this.take(share, bytes);
      return true;
    }
    this.refusals++;
    return false;
  }

  private hasRoom(share: Share, bytes: number): boolean {
    const { total, bounds } = this;
    if (share.requests >= bounds.requestsMax - total.requests) return false;
    return share.bytes + bytes <= bounds.bytesMax - total.bytes;
  }

  private take(share: Share, bytes: number): void {
    const { total } = this;
    share.requests++;
    share.bytes += bytes;
    total.requests++;
    total.bytes += bytes;
  }

  leave(share: Share, bytes: number): void {
    share.requests--;
    share.bytes -= bytes;
    this.total.requests--;
    this.total.bytes -= bytes;
  }
}
