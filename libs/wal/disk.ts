/**
 * What the WAL needs of a file system. `directory-disk.ts` is the real one; tests use one in memory that crashes.
 * File names are plain names within the WAL's directory.
 */
export interface WalDisk {
  /** For messages. */
  readonly path: string;
  list(): readonly string[];
  open(name: string): WalFile;
  /** Makes a file of `bytes` zeros, synced under this name, the directory synced too. It replaces what had the name. */
  prepare(name: string, bytes: number): Promise<void>;
  /** Makes the names in the directory durable before it returns. */
  syncNames(): void;
  /** Removes files and syncs the directory. */
  remove(names: readonly string[]): Promise<void>;
}

export interface WalFile {
  readonly size: number;
  /** The whole file: in `memory`, overwriting it, if that is large enough, else in memory of its own. */
  readAll(memory?: Uint8Array): Uint8Array;
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Writes at `offset`; if `fsync`, the bytes are durable when it calls back, as earlier ones are. Calls back once, not before it
   * returned; until then the bytes must not change.
   */
  write(bytes: Uint8Array, offset: number, fsync: boolean, callback: (error: Error | undefined) => void): void;
  /** Makes everything in the file durable before it returns, whoever wrote it. */
  sync(): void;
  /** Overwrites with zeros and syncs before it returns. */
  wipe(from: number, to: number): void;
  close(): void;
}
