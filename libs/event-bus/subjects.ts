/** Ids in lower-case hex. What a server may grant: `hexad.<cluster>.events.<member>` to publish for storage, all else to read. */
export function eventsSubject(clusterId: bigint, memberId: bigint): string {
  return `hexad.${clusterId.toString(16)}.events.${memberId.toString(16)}`;
}

/** Where members say where they can be reached. */
export function memberSubject(clusterId: bigint, memberId: bigint | '*'): string {
  return `hexad.${clusterId.toString(16)}.members.${memberId === '*' ? memberId : memberId.toString(16)}`;
}

/** Where hubs say where they can be reached; `hub` is a random name. */
export function hubSubject(clusterId: bigint, hub: string): string {
  return `hexad.${clusterId.toString(16)}.hubs.${hub}`;
}
