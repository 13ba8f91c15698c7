/** A JSON log line as people read it, in the form of etcd's console format; what is no such line stays as it is. */
export function consoleLine(line: string): string {
  if (!line.startsWith('{')) return line;
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { ts, level, caller, msg, ...rest } = fields;
  const parts = [ts, level, caller, msg].filter((part) => typeof part === 'string');
  return [...parts, JSON.stringify(rest)].join('\t');
}
