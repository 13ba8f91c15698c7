/** Texts that grpc-go's transport sends and etcd's clients know. */

export function messageTooLarge(received: number, limit: number): string {
  return `grpc: received message larger than max (${received} vs. ${limit})`;
}

/** `unknown service` when no path of that service is registered, else `unknown method`. */
export function unknownMethod(path: string, known: Iterable<string>): string {
  const slash = path.lastIndexOf('/');
  if (!path.startsWith('/') || slash < 1) return `malformed method name: "${path}"`;
  const service = path.slice(1, slash);
  const prefix = path.slice(0, slash + 1);
  for (const other of known) {
    if (other.startsWith(prefix)) return `unknown method ${path.slice(slash + 1)} for service ${service}`;
  }
  return `unknown service ${service}`;
}
