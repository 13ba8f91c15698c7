/** Row keys of 64-bit ids: eight bytes big-endian, so that rows sort by the unsigned id. */
export function idKey(id: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt.asUintN(64, id));
  return key;
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
