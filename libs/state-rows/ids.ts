/** Row keys of 64-bit ids: eight bytes big-endian, so that rows sort by the unsigned id. */
export function idKey(id: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt.asUintN(64, id));
  return key;
}

/** The unsigned id that a row key begins with. */
export function idOf(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(0);
}

/** The least row key above every key that starts with `idKey(id)`; undefined: there is none. */
export function idKeyEnd(id: bigint): Uint8Array | undefined {
  const unsigned = BigInt.asUintN(64, id);
  return unsigned === 0xffff_ffff_ffff_ffffn ? undefined : idKey(unsigned + 1n);
}

export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
}

/** The row of table `meta` that says whose store it is. */
export const IDENTITY_KEY = new TextEncoder().encode('identity');

export function identityRow({ clusterId, memberId }: Identity): Uint8Array {
  const row = new Uint8Array(16);
  row.set(idKey(clusterId));
  row.set(idKey(memberId), 8);
  return row;
}

export function identityOf(row: Uint8Array): Identity {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  return { clusterId: view.getBigUint64(0), memberId: view.getBigUint64(8) };
}
