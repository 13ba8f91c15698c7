import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { apply, type Change, type FileNode, flush, liesWithin, newNode, NOTHING, sectors } from './file-node';
import { type JournalRecord, Kind, readJournal } from './journal';
import type { Random } from './random';

type Node = FileNode | 'directory';

type NameChange =
  | { readonly what: 'link'; readonly name: string; readonly node: Node }
  | { readonly what: 'unlink'; readonly name: string }
  | { readonly what: 'rename'; readonly name: string; readonly to: string };

export interface CutOptions {
  /** What was durable when the journal began; becomes what is found after the power came back. */
  readonly image: string;
  /** The directory that the processes wrote to: `TEST_DISK_ROOT`. */
  readonly root: string;
  readonly journal: string;
  readonly random: Random;
  /** A disk that lies: syncs that it confirmed are not honoured. The canary of the tests. */
  readonly syncsLie?: boolean;
}

export interface CutReport {
  readonly changes: number;
  readonly unsynced: number;
  readonly dropped: number;
  readonly torn: number;
  readonly namesDropped: number;
  /** Names of the files that were written to. */
  readonly written: ReadonlySet<string>;
}

/**
 * What a power cut leaves of the writes in the journal. Synced ones are all there. Of the others, each 512-byte sector may
 * be there or not, in any combination; of the changes of names in a directory that was not synced since, a first few are.
 * A new file's sync does not make its name durable (POSIX promises no more).
 */
export function cutPower(options: CutOptions): CutReport {
  const cut = new PowerCut(options);
  try {
    for (const record of readJournal(options.journal)) cut.replay(record);
    return cut.finish();
  } finally {
    cut.close();
  }
}

class PowerCut {
  /** Names as they are durable, relative to the root. */
  private readonly durable = new Map<string, Node>();
  private readonly visible = new Map<string, Node>();
  private readonly files = new Map<number, FileNode>();
  private readonly directories = new Map<number, string>();
  private readonly names = new Map<string, NameChange[]>();
  private readonly syncs = new Map<
    number,
    { readonly file: FileNode | undefined; readonly count: number; directory: string | undefined }
  >();
  private readonly objects: string;
  private created = 0;
  private readonly report = {
    changes: 0,
    unsynced: 0,
    dropped: 0,
    torn: 0,
    namesDropped: 0,
    written: new Set<string>(),
  };

  constructor(private readonly options: CutOptions) {
    this.objects = `${options.image}.objects`;
    mkdirSync(this.objects, { recursive: true });
    this.walk(options.image);
    for (const [name, node] of this.durable) this.visible.set(name, node);
  }

  private walk(directory: string): void {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      const node: Node = entry.isDirectory() ? 'directory' : newNode(path, basename(path));
      this.durable.set(relative(this.options.image, path), node);
      if (node === 'directory') this.walk(path);
    }
  }

  replay(record: JournalRecord): void {
    const { kind, inode, offset, length, payload } = record;
    const file = this.files.get(inode);
    const change = (what: Change['what']): void => this.change(file, { offset, what, length });
    if (kind === Kind.Opened || kind === Kind.Created) this.opened(record);
    else if (kind === Kind.Write) change(Buffer.from(payload));
    else if (kind === Kind.Zeros) change('zeros');
    else if (kind === Kind.Truncated) change('truncate');
    else if (kind === Kind.RangeSynced) this.rangeSynced(file, offset, length);
    else if (kind === Kind.SyncBegan) this.syncBegan(inode, offset);
    else if (kind === Kind.SyncEnded) this.syncEnded(offset);
    else this.nameChanged(kind, payload);
  }

  private opened({ kind, inode, payload }: JournalRecord): void {
    const name = this.nameOf(payload.toString());
    const existing = this.visible.get(name);
    if (name === '' || existing === 'directory') {
      this.directories.set(inode, name);
      this.files.delete(inode);
      return;
    }
    if (kind === Kind.Created || existing === undefined) {
      const node = newNode(join(this.objects, String(this.created++)), basename(name));
      closeSync(openSync(node.store, 'w'));
      this.files.set(inode, node);
      this.link(name, node);
    } else this.files.set(inode, existing);
    this.directories.delete(inode);
  }

  private link(name: string, node: Node): void {
    this.visible.set(name, node);
    this.namesIn(name).push({ what: 'link', name, node });
  }

  private change(file: FileNode | undefined, change: Change): void {
    if (file === undefined) throw new Error('a write to a file whose opening is not in the journal');
    this.count(file);
    file.pending.push(change);
  }

  private count(file: FileNode): void {
    this.report.changes += 1;
    this.report.written.add(file.name);
  }

  private rangeSynced(file: FileNode | undefined, offset: number, length: number): void {
    if (file === undefined || this.options.syncsLie === true) return;
    const left = file.pending.map((change) => {
      if (!liesWithin(change, offset, length)) return change;
      apply(file, change);
      return NOTHING;
    });
    // Counts of syncs under way go by places in the list.
    const isCounted = [...this.syncs.values()].some((sync) => sync.file === file);
    file.pending = isCounted ? left : left.filter((change) => change !== NOTHING);
  }

  private syncBegan(inode: number, number: number): void {
    const file = this.files.get(inode);
    const directory = this.directories.get(inode);
    const count =
      file === undefined ? (this.names.get(directory ?? '')?.length ?? 0) : file.flushed + file.pending.length;
    this.syncs.set(number, { file, count, directory });
  }

  private syncEnded(number: number): void {
    const sync = this.syncs.get(number);
    if (sync === undefined || this.options.syncsLie === true) return;
    this.syncs.delete(number);
    if (sync.file !== undefined) flush(sync.file, sync.count);
    else if (sync.directory !== undefined) this.flushNames(sync.directory, sync.count);
  }

  private nameChanged(kind: number, payload: Buffer): void {
    const [from = '', to = ''] = payload.toString().split('\0');
    const name = this.nameOf(from);
    if (name === '') return; // the root itself is there
    if (kind === Kind.MadeDirectory) return this.link(name, 'directory');
    if (kind === Kind.Renamed) {
      const target = this.nameOf(to);
      if (dirname(name) !== dirname(target)) throw new Error(`a rename across directories: ${name} to ${target}`);
      this.namesIn(name).push({ what: 'rename', name, to: target });
      move(this.visible, name, target);
    } else {
      this.namesIn(name).push({ what: 'unlink', name });
      this.visible.delete(name);
    }
  }

  private namesIn(name: string): NameChange[] {
    const directory = dirname(name) === '.' ? '' : dirname(name);
    let list = this.names.get(directory);
    if (list === undefined) this.names.set(directory, (list = []));
    return list;
  }

  private flushNames(directory: string, count: number): void {
    for (const change of this.names.get(directory)?.splice(0, count) ?? []) applyName(this.durable, change);
    // Counts of syncs under way refer to a list that has become shorter.
    for (const [number, sync] of this.syncs) {
      if (sync.directory === directory) this.syncs.set(number, { ...sync, count: Math.max(0, sync.count - count) });
    }
  }

  /** The power goes: decides what of the rest is there, and puts the image together. */
  finish(): CutReport {
    const { random } = this.options;
    const mood = random.pick(['none', 'all', 'some', 'some', 'torn', 'torn'] as const);
    const nodes = new Set(this.files.values());
    for (const node of nodes) for (const change of node.pending) this.settle(node, change, mood);
    for (const [, list] of this.names) {
      const kept = mood === 'all' ? list.length : mood === 'none' ? 0 : random.between(0, list.length);
      for (const change of list.slice(0, kept)) applyName(this.durable, change);
      this.report.namesDropped += list.length - kept;
    }
    this.assemble();
    return this.report;
  }

  private settle(node: FileNode, change: Change, mood: 'none' | 'all' | 'some' | 'torn'): void {
    if (change === NOTHING) return;
    const { random } = this.options;
    this.report.unsynced += 1;
    const isKept = mood === 'all' || (mood !== 'none' && random.chance(0.5));
    if (isKept && mood === 'torn' && change.what !== 'truncate') {
      this.report.torn += 1;
      for (const part of sectors(change)) if (random.chance(0.5)) apply(node, part);
    } else if (isKept) apply(node, change);
    else this.report.dropped += 1;
  }

  private assemble(): void {
    const { image } = this.options;
    this.close();
    const placed = new Map<Node, string>();
    // A name below a directory that is not there is gone with it.
    const names = [...this.durable.keys()].sort();
    for (const name of names) if (!this.parentsExist(name)) this.durable.delete(name);
    const wanted = [...this.durable.entries()].filter(([, node]) => node !== 'directory') as [string, FileNode][];
    for (const [name, node] of wanted) {
      const parked = `${this.objects}/final-${placed.size}`;
      renameSync(node.store, parked);
      placed.set(node, parked);
      if (wanted.some(([other, same]) => same === node && other !== name)) throw new Error(`${name} has two names`);
    }
    rmSync(image, { recursive: true });
    mkdirSync(image, { mode: 0o700 });
    for (const [name, node] of [...this.durable].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (node === 'directory') mkdirSync(join(image, name), { mode: 0o700 });
      else renameSync(placed.get(node) as string, join(image, name)); // each wanted file was placed
    }
    rmSync(this.objects, { recursive: true });
  }

  private parentsExist(name: string): boolean {
    const parent = dirname(name);
    return parent === '.' || (this.durable.get(parent) === 'directory' && this.parentsExist(parent));
  }

  private nameOf(path: string): string {
    return relative(this.options.root, path);
  }

  close(): void {
    for (const node of [...this.files.values(), ...this.durable.values()]) {
      if (node === 'directory' || node.fd === undefined) continue;
      closeSync(node.fd);
      node.fd = undefined;
    }
  }
}

function applyName(names: Map<string, Node>, change: NameChange): void {
  if (change.what === 'link') names.set(change.name, change.node);
  else if (change.what === 'unlink') names.delete(change.name);
  else move(names, change.name, change.to);
}

function move(names: Map<string, Node>, from: string, to: string): void {
  const node = names.get(from);
  if (node === undefined) return;
  names.delete(from);
  names.set(to, node);
}
