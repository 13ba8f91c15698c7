import { acquireWriter, type Writer } from '../../libs/wire';
import { encodeResponseHeader } from '../../proto/gen/etcdserverpb';
import type { Identity } from './state/ids';

const HEADER_TAG = 0x0a;
const REVISION_TAG = 0x18;
const TERM_TAG = 0x20;

/**
 * Response headers of this member. The ids are encoded once; an answer is written from its end to its start, so the header,
 * field 1 of every response, is put in front of a finished body.
 */
export class ResponseHeaders {
  private readonly ids: Uint8Array;
  private cached = new Uint8Array(0);
  private cachedRevision = -1;
  private cachedTerm = -1;

  constructor(readonly identity: Identity) {
    this.ids = encodeResponseHeader(identity);
  }

  /** Puts the header field before what `w` holds. Revision 0 leaves the field out, as in etcd's cluster replies. */
  write(w: Writer, revision: number, term: number): void {
    const before = w.length;
    this.writeFields(w, revision, term);
    w.endMessage(before, HEADER_TAG);
  }

  /** A response of a body and the header. `write` is the generated writer of the response's message. */
  response<T>(write: (w: Writer, body: T) => void, body: T, revision: number, term: number): Uint8Array {
    const w = acquireWriter();
    write(w, body);
    this.write(w, revision, term);
    return w.finish();
  }

  /** A response that is its header only. */
  empty(revision: number, term: number): Uint8Array {
    const w = acquireWriter();
    this.write(w, revision, term);
    return w.finish();
  }

  /** The encoded ResponseHeader itself, without a field around it. The same bytes while nothing changes. */
  encoded(revision: number, term: number): Uint8Array {
    if (revision === this.cachedRevision && term === this.cachedTerm) return this.cached;
    const w = acquireWriter();
    this.writeFields(w, revision, term);
    this.cached = new Uint8Array(w.finish());
    this.cachedRevision = revision;
    this.cachedTerm = term;
    return this.cached;
  }

  private writeFields(w: Writer, revision: number, term: number): void {
    if (term !== 0) {
      w.int64(term);
      w.uint32(TERM_TAG);
    }
    if (revision !== 0) {
      w.int64(revision);
      w.uint32(REVISION_TAG);
    }
    w.raw(this.ids);
  }
}
