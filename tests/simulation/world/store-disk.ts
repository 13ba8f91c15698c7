import { SimulatedDisk, Table } from '../../../libs/mvcc';
import type { Machine } from './process';

type Tables = Parameters<SimulatedDisk['commit']>[0];

/** The store's file: a commit is visible at once, and durable when the simulated sync has run. */
export class SimStoreDisk extends SimulatedDisk {
  /** Milliseconds of one commit. */
  latency = 2;
  hangsUntil = 0;
  private commitsBegun = 0;
  private isPending = false;
  /** What a power cut would leave, where that is not what an engine finds. */
  private onDisk: Tables | undefined;
  private lastTables: Tables = [];

  constructor(
    private readonly machine: Machine,
    private readonly defects: { readonly splitCommit?: boolean },
  ) {
    super();
    this.autoSync = false;
  }

  override commit(tables: Tables): Promise<void> {
    const { machine } = this;
    const { world } = machine;
    const owner = world.current;
    // A process that is dead writes nothing.
    if (owner !== undefined && !owner.alive) return new Promise(() => undefined);
    machine.onIo('before store-commit');
    if (owner !== undefined && !owner.alive) return new Promise(() => undefined);
    const number = ++this.commitsBegun;
    this.isPending = true;
    const done = super.commit(this.defects.splitCommit ? withOldState(this.lastTables, tables) : tables);
    this.lastTables = tables;
    const wait = Math.max(0, this.hangsUntil - world.now) + this.latency * (0.5 + world.random.next());
    world.after(wait, undefined, () => {
      if (number !== this.commitsBegun || !this.isPending) return;
      if (world.random.chance(0.5)) machine.onIo('before store-sync');
      if (!this.isPending) return;
      this.sync();
      world.drainSoon();
      machine.onIo('after store-sync');
    });
    return done;
  }

  override sync(): void {
    this.isPending = false;
    this.onDisk = undefined;
    super.sync();
  }

  override crash(): void {
    this.isPending = false;
    super.crash();
  }

  /**
   * The process was killed; the machine runs on. The next one may find the commit that was under way in the page cache, but
   * nothing has synced it: only its own first commit does.
   */
  processKilled(): void {
    if (this.isPending && this.machine.world.random.chance(0.5)) {
      const before = this.onDisk ?? this.found;
      this.sync();
      this.onDisk = before;
    }
    this.crash();
  }

  losePower(): void {
    this.crash();
    if (this.onDisk !== undefined) this.found = this.onDisk;
    this.onDisk = undefined;
  }

  /** Another store takes the place of this one, whole and durable: a rename. Whoever has this one open goes on with it. */
  replaceBy(other: SimulatedDisk): void {
    this.found = (other as unknown as { durable: Tables }).durable;
    this.onDisk = undefined;
    this.isPending = false;
    this.commitsBegun++;
  }

  /** What an engine that is opened finds. */
  private get found(): Tables {
    return (this as unknown as { durable: Tables }).durable;
  }

  private set found(tables: Tables) {
    (this as unknown as { durable: Tables }).durable = tables;
  }
}

/** The tables with the small rows (applied index, revision) of the commit before: a crash then parts them from the data. */
function withOldState(before: Tables, tables: Tables): Tables {
  return before.length === 0
    ? tables
    : tables.map((rows, table) => (table === Table.Small ? (before[table] ?? rows) : rows));
}
