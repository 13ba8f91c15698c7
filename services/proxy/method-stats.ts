import type { GrpcCode } from '../../libs/errors';
import { OpStats, opOf } from './attribution/op-stats';

export type MethodType = 'unary' | 'server_stream' | 'bidi_stream';

/** Counts of one method, as plain numbers: rendered when somebody scrapes, free while nobody does. */
export class MethodStats {
  started = 0;
  received = 0;
  sent = 0;
  /** By gRPC code. */
  readonly handled: number[] = Array.from({ length: 17 }, () => 0);
  /** Durations, by stage. */
  readonly ops: OpStats;
  readonly service: string;
  readonly method: string;

  constructor(
    readonly path: string,
    readonly type: MethodType,
  ) {
    const [, service = '', method = ''] = path.split('/');
    this.service = service;
    this.method = method;
    this.ops = new OpStats(opOf(path));
  }

  end(code: GrpcCode): void {
    this.handled[code] = (this.handled[code] ?? 0) + 1;
  }
}
