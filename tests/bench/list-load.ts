import { decodeRangeResponse, encodeRangeRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { revisionOf } from './answers';
import { connectTo } from './fill';
import { keyAt, VALUE } from './keys';

/** Keys of one answer, as a client asks that does not want to hold all of them. */
export const PAGE = 10_000;

/**
 * Lists all of `keys` keys again and again, page by page at one revision, beside another load. `stop` says how many keys
 * were listed and in how many seconds; it fails if a list failed.
 */
export function startLists(port: number, keys: number): { stop(): { keys: number; seconds: number } } {
  const channel = connectTo(port);
  const startedAt = performance.now();
  let listed = 0;
  let problem: string | undefined;
  let stopped = false;
  const rangeEnd = keyAt(keys);
  const page = (from: number, revision: number): void => {
    const request = encodeRangeRequest({ key: keyAt(from), rangeEnd, limit: PAGE, revision });
    channel.unary(KV_PATHS.Range, request, {}, (result) => {
      if (stopped) return;
      if (!result.ok) problem = result.error.message;
      else {
        listed += PAGE;
        const at = revision === 0 ? (revisionOf(result.response) ?? 0) : revision;
        problem = listed === PAGE ? firstPageProblem(result.response, keys) : pageProblem(result.response);
        if (problem === undefined) page(from + PAGE < keys ? from + PAGE : 0, from + PAGE < keys ? at : 0);
      }
    });
  };
  page(0, 0);
  const stop = (): { keys: number; seconds: number } => {
    stopped = true;
    channel.close();
    if (problem !== undefined) throw new Error(`a list failed: ${problem}`);
    return { keys: listed, seconds: (performance.now() - startedAt) / 1_000 };
  };
  return { stop };
}

/** Looked at closely once only: decoding takes time from the load that is measured. */
function firstPageProblem(response: Uint8Array, keys: number): string | undefined {
  const { kvs, count } = decodeRangeResponse(response);
  return kvs.length === PAGE && Number(count) === keys ? undefined : `${kvs.length} of ${String(count)} keys`;
}

function pageProblem(response: Uint8Array): string | undefined {
  return response.length > PAGE * VALUE.length ? undefined : 'a page lacks keys';
}
