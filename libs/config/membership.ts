import { createHash } from 'node:crypto';

export interface NamedMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** First 8 bytes, big-endian, of the SHA-1 of `parts`, as a number of 64 bits. */
function id64(parts: readonly (string | Buffer)[]): bigint {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest().readBigUInt64BE(0);
}

/**
 * The id of a member as etcd derives it: from its sorted peer URLs and the cluster token, so that every initial member
 * computes the same ids. A member added at run time adds the time, in seconds, for uniqueness.
 */
export function memberId(peerUrls: readonly string[], clusterToken: string, addedAtSeconds?: number): bigint {
  const time = addedAtSeconds === undefined ? [] : [String(addedAtSeconds)];
  return id64([...[...peerUrls].sort(), clusterToken, ...time]);
}

/** The id of a cluster: from the sorted ids of its initial members, each as 8 bytes big-endian. */
export function clusterId(memberIds: readonly bigint[]): bigint {
  const sorted = [...memberIds].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return id64(
    sorted.map((id) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(id);
      return bytes;
    }),
  );
}

/** Reads `name=url,name=url…`; a name may stand several times, once for each of its URLs. Order of first mention. */
export function parseInitialCluster(text: string): NamedMember[] | undefined {
  const members = new Map<string, string[]>();
  for (const part of text.split(',')) {
    const [, name = '', url = ''] = /^\s*([^=]+)=(\S+)\s*$/.exec(part) ?? [];
    if (url === '') return undefined;
    members.set(name, [...(members.get(name) ?? []), url]);
  }
  return [...members].map(([name, peerUrls]) => ({ name, peerUrls }));
}

export function formatId(id: bigint): string {
  return id.toString(16);
}
