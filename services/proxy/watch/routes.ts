import { Errors } from '../../../libs/errors';
import { WATCH_PATHS } from '../../../proto/gen/etcdserverpb';
import { PermissionKind } from '../../../proto/gen/hexad';
import type { WatchTimes } from '../attribution/watch-times';
import { isRefused } from '../auth/authenticator';
import type { Headers } from '../headers';
import { Limits } from '../limits';
import type { Permissions } from '../permissions';
import type { Router, Routes } from '../router';
import { ClientStream, type MayRead } from './client-stream';
import type { HubClient } from './hub-client';
import type { WatchRights } from './rights';

export interface WatchOptions {
  readonly hub: HubClient;
  readonly headers: Headers;
  readonly router: Router;
  readonly permissions: Permissions;
  readonly fragmentBytes: number;
  readonly rights: WatchRights | undefined;
  /** Undefined: no stage stamps. */
  readonly times: WatchTimes | undefined;
}

/** etcdserverpb.Watch. */
export function watchRoutes({ hub, headers, router, permissions, fragmentBytes, rights, times }: WatchOptions): Routes {
  const mayRead: MayRead = (request, key, rangeEnd, callback) => {
    const { metadata, connection } = request.call;
    router.identify(metadata, connection, (identity) => {
      if (isRefused(identity)) callback(identity, '');
      else {
        const check = { kind: PermissionKind.PERMISSION_READ, key, rangeEnd };
        permissions.check(check, identity, (refusal) => callback(refusal, identity.user));
      }
    });
  };
  return {
    stream: {
      [WATCH_PATHS.Watch]: {
        type: 'bidi_stream',
        handle: (request) => {
          if (hub.sessionCount >= Limits.watchSessionsMax) request.end(Errors.TooManyRequests);
          else new ClientStream(request, { hub, headers, fragmentBytes, mayRead, rights, times });
        },
      },
    },
  };
}
