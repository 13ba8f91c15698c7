import type { Attachment } from '../../libs/attachment';
import type { ProcessConfig } from '../../libs/config';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import type { Channel } from '../../libs/rpc';
import { encodeBackupRequest, PermissionKind, STORAGE_PATHS } from '../../proto/gen/hexad';
import { isRefused } from './auth/authenticator';
import type { Permissions } from './permissions';
import type { StreamRequest } from './requests';
import type { Router } from './router';

export interface SnapshotOptions {
  readonly router: Router;
  readonly permissions: Permissions;
  /** A connection of its own for each snapshot, so that its bulk delays no reply. */
  readonly dialStorage: () => Channel;
}

export function storageDialler(config: Pick<ProcessConfig, 'rpcEngine'>, attachment: Attachment): () => Channel {
  const options = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  return () => attachment.connect('storage', options);
}

/** Maintenance.Snapshot: for root, the snapshot that storage writes, no faster than the client reads. */
export function streamSnapshot(options: SnapshotOptions, request: StreamRequest): void {
  let started = false;
  request.onMessage(() => {
    if (started) return;
    started = true;
    const { metadata, connection } = request.call;
    options.router.identify(metadata, connection, (identity) => {
      if (isRefused(identity)) return request.end(identity);
      options.permissions.check({ kind: PermissionKind.PERMISSION_ROOT }, identity, (refusal) => {
        if (refusal !== undefined) request.end(refusal);
        else if (!request.closed) forward(options.dialStorage(), request);
      });
    });
  });
}

function forward(storage: Channel, request: StreamRequest): void {
  const stream = storage.stream(STORAGE_PATHS.Backup);
  request.onClose(() => {
    stream.cancel();
    storage.close();
  });
  request.call.onDrain(() => stream.resume());
  stream.onMessage((message) => {
    if (!request.send(message)) stream.pause();
  });
  stream.onClose((error) => request.end(error));
  stream.send(encodeBackupRequest({}));
  stream.halfClose();
}
