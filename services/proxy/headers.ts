import { Reader, WireError } from '../../libs/wire';
import type { ResponseHeaderInput } from '../../proto/gen/etcdserverpb';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { WritePipeline } from './writes';

const HEADER_TAG = 0x0a;
const REVISION_TAG = 0x18;

/** Headers of the few answers that this process makes itself; all others come complete from storage. */
export class Headers {
  constructor(
    private readonly view: MemberView,
    private readonly writes: WritePipeline,
    private readonly reads: ReadPipeline,
  ) {}

  /** With the newest revision this process has seen. */
  current(): ResponseHeaderInput {
    return { ...this.withoutRevision(), revision: this.revision() };
  }

  /** Cluster answers carry no revision. */
  withoutRevision(): ResponseHeaderInput {
    const { clusterId, memberId, term } = this.view;
    return { clusterId, memberId, raftTerm: term };
  }

  revision(): number {
    const { view, writes, reads } = this;
    const seen = Math.max(view.revision, revisionOf(writes.lastResponse), revisionOf(reads.lastResponse));
    view.revision = seen;
    return seen;
  }
}

/** The revision in the header of an encoded response; 0: it has none. */
export function revisionOf(response: Uint8Array | undefined): number {
  if (response === undefined || response[0] !== HEADER_TAG) return 0;
  try {
    const reader = new Reader(response);
    reader.tag();
    reader.enter();
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === REVISION_TAG) return reader.int64Number();
      reader.skip(tag);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return 0;
  }
}
