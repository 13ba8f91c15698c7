/** A sound database that does not hold what etcd's do; the message names the bucket and the row. */
export class EtcdFileError extends Error {
  override readonly name = 'EtcdFileError';
}
