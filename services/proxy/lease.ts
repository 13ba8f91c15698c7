import { randomBytes } from 'node:crypto';
import { Errors } from '../../libs/errors';
import { LEASE_TTL_SECONDS_MAX } from '../../libs/limits';
import { WireError } from '../../libs/wire';
import {
  decodeLeaseGrantRequest,
  decodeLeaseKeepAliveRequest,
  decodeLeaseTimeToLiveResponse,
  encodeLeaseGrantRequest,
  encodeLeaseKeepAliveResponse,
  encodeLeaseTimeToLiveResponse,
  LEASE_PATHS,
} from '../../proto/gen/etcdserverpb';
import {
  decodeLeaseRemaining,
  encodeLeaseId,
  EntryKind,
  LeaseMethod,
  PermissionKind,
  StorageMethod,
} from '../../proto/gen/hexad';
import type { Share } from './admission';
import { isRefused } from './auth/authenticator';
import type { Headers } from './headers';
import { Limits } from './limits';
import type { Permissions } from './permissions';
import type { ReadPipeline } from './reads';
import type { StreamRequest, UnaryRequest } from './requests';
import type { Router, Routes } from './router';
import type { SiblingCalls } from './sibling-calls';
import type { WritePipeline } from './writes';

export interface LeaseOptions {
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly router: Router;
  readonly leases: SiblingCalls;
  readonly permissions: Permissions;
  readonly headers: Headers;
  /** Shorter TTLs are raised to this. Seconds. */
  readonly ttlMin: number;
}

const NO_LEASE_TTL = -1;

/** etcdserverpb.Lease. */
export function leaseRoutes(options: LeaseOptions): Routes {
  const { writes, reads } = options;
  return {
    unary: {
      [LEASE_PATHS.LeaseGrant]: { handle: (request) => grant(options, request) },
      [LEASE_PATHS.LeaseRevoke]: {
        handle: (request) => writes.submit(EntryKind.ENTRY_LEASE_REVOKE, request.body, request.identity, request),
      },
      [LEASE_PATHS.LeaseTimeToLive]: { handle: (request) => timeToLive(options, request) },
      [LEASE_PATHS.LeaseLeases]: {
        handle: (request) =>
          reads.serializable(StorageMethod.STORAGE_LEASE_LEASES, request.body, request.identity, request),
      },
    },
    stream: {
      [LEASE_PATHS.LeaseKeepAlive]: {
        type: 'bidi_stream',
        handle: (request) => new KeepAliveStream(request, options),
      },
    },
  };
}

/** Id and TTL are final before the log, so that every member grants the same lease. */
function grant({ writes, ttlMin }: LeaseOptions, request: UnaryRequest): void {
  const { ID, TTL } = decodeLeaseGrantRequest(request.body);
  if (TTL > LEASE_TTL_SECONDS_MAX) {
    request.fail(Errors.LeaseTTLTooLarge);
    return;
  }
  const body = encodeLeaseGrantRequest({ ID: ID === 0n ? randomLeaseId() : ID, TTL: TTL < ttlMin ? ttlMin : TTL });
  writes.submit(EntryKind.ENTRY_LEASE_GRANT, body, request.identity, request);
}

/** Positive, 63 bits. */
export function randomLeaseId(): bigint {
  const id = randomBytes(8).readBigUInt64BE() & 0x7fffffffffffffffn;
  return id === 0n ? 1n : id;
}

/** Storage knows what was granted and the keys, the leader's lease process what is left. */
function timeToLive({ reads, leases }: LeaseOptions, request: UnaryRequest): void {
  reads.linearizable(StorageMethod.STORAGE_LEASE_TIME_TO_LIVE, request.body, request.identity, {
    cancelled: false,
    fail: (error) => request.fail(error),
    reply: (bytes) => {
      const known = decodeLeaseTimeToLiveResponse(bytes);
      if (known.grantedTTL === 0) {
        request.reply(encodeLeaseTimeToLiveResponse({ ...known, TTL: NO_LEASE_TTL, keys: [] }));
        return;
      }
      leases.call(LeaseMethod.LEASE_REMAINING, encodeLeaseId({ id: known.ID }), {
        trace: request.trace,
        cancelled: false,
        fail: (error) => request.fail(error),
        reply: (remaining) =>
          request.reply(encodeLeaseTimeToLiveResponse({ ...known, TTL: decodeLeaseRemaining(remaining).ttl })),
      });
    },
  });
}

/** One client's keep-alive stream: one answer for each request; the stream ends when the client's side has and all is answered. */
class KeepAliveStream {
  private pending = 0;
  private halfClosed = false;
  private readonly share: Share;

  constructor(
    private readonly stream: StreamRequest,
    private readonly options: LeaseOptions,
  ) {
    const { admission } = options.router;
    this.share = admission.shareOf(stream.call.connection);
    // The stream ends, by whomever, with keep-alives still under way: none of them is answered any more.
    stream.onClose(() => {
      for (; this.pending > 0; this.pending--) admission.leave(this.share, 0);
    });
    stream.onMessage((message) => this.onMessage(message));
    stream.call.onHalfClose(() => {
      this.halfClosed = true;
      this.endIfDone();
    });
    stream.call.sendHeaders();
  }

  private onMessage(message: Uint8Array): void {
    let id: bigint;
    try {
      id = decodeLeaseKeepAliveRequest(message).ID;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.stream.end(Errors.MalformedMessage);
      return;
    }
    const { router, permissions } = this.options;
    const { metadata, connection } = this.stream.call;
    if (!router.admission.enter(this.share, 0)) {
      this.stream.end(Errors.TooManyRequests);
      return;
    }
    this.pending++;
    if (this.pending >= Limits.keepAlivesPendingMax) this.stream.call.pause();
    router.identify(metadata, connection, (identity) => {
      if (isRefused(identity)) {
        this.stream.end(identity);
        return;
      }
      permissions.check({ kind: PermissionKind.PERMISSION_LEASE_WRITE, lease: id }, identity, (refusal) => {
        if (refusal === undefined) this.renew(id);
        else this.stream.end(refusal);
      });
    });
  }

  private renew(id: bigint): void {
    const { stream } = this;
    this.options.leases.call(LeaseMethod.LEASE_KEEP_ALIVE, encodeLeaseId({ id }), {
      get cancelled() {
        return stream.closed;
      },
      fail: (error) => this.stream.end(error),
      reply: (bytes) => {
        if (stream.closed) return;
        const { ttl } = decodeLeaseRemaining(bytes);
        const header = this.options.headers.current();
        this.stream.send(encodeLeaseKeepAliveResponse({ header, ID: id, TTL: ttl }));
        this.pending--;
        this.options.router.admission.leave(this.share, 0);
        if (this.pending < Limits.keepAlivesPendingMax) this.stream.call.resume();
        this.endIfDone();
      },
    });
  }

  private endIfDone(): void {
    if (this.halfClosed && this.pending === 0) this.stream.end();
  }
}
