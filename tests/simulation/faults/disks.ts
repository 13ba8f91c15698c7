import { WalError } from '../../../libs/wal';
import type { Member } from '../cluster/member';
import { Violation } from '../cluster/violation';
import type { SimFile } from '../world/wal-disk';
import type { Fault, FaultSite } from './fault';

/** Every write and sync takes long, or nothing is finished for a while. */
export function slowDisk(site: FaultSite): Fault {
  return {
    name: 'slow disk',
    weight: 4,
    inject: () => {
      const { up, random, world } = site;
      if (up.length === 0) return false;
      const { walDisk, storeDisk } = random.pick(up);
      const disk = random.chance(0.7) ? walDisk : storeDisk;
      const usual = disk === walDisk ? site.cluster.settings.walMs : 2;
      const ms = site.between(1_000, 10_000);
      if (random.chance(0.4)) disk.hangsUntil = world.now + ms / 2;
      else disk.latency = site.between(5, 150);
      site.later(ms, () => {
        disk.latency = usual;
        disk.hangsUntil = 0;
      });
      return true;
    },
  };
}

interface Place {
  readonly name: string;
  readonly file: SimFile;
  readonly offset: number;
}

/**
 * A bit of the WAL flips while its member is off. It lies before the last batch, so it can't pass for a torn write: the
 * member must refuse to start and name the file. Then the file is restored from a copy, as the message asks for.
 */
export class BitFlips implements Fault {
  readonly name = 'bit flipped in the WAL';
  readonly weight = 2;
  private readonly waiting = new Map<Member, Place>();

  constructor(private readonly site: FaultSite) {}

  inject(): boolean {
    const { up, random } = this.site;
    if (up.length === 0) return false;
    const member = random.pick(up);
    const place = this.place(member);
    if (place === undefined || this.waiting.has(member)) return false;
    member.goDown(random.chance(0.5));
    this.flip(place);
    this.waiting.set(member, place);
    this.site.later(this.site.between(300, 3_000), () => member.startAll());
    return true;
  }

  /** The process of a member ended with this error; true: that is what had to come. */
  isExpected(member: Member, error: unknown): boolean {
    const place = this.waiting.get(member);
    if (place === undefined || !(error instanceof WalError)) return false;
    if (!error.message.includes(place.name)) {
      throw new Violation(
        'bit flips',
        `${member.name} refused the wrong file: ${error.message} (${place.name} is bad)`,
      );
    }
    this.waiting.delete(member);
    this.flip(place);
    return true;
  }

  /** The raft process of the member has opened its WAL. */
  opened(member: Member): void {
    const place = this.waiting.get(member);
    if (place === undefined) return;
    throw new Violation('bit flips', `${member.name} accepted ${place.name} with a bad byte at ${place.offset}`);
  }

  private place({ walDisk }: Member): Place | undefined {
    const files = walDisk.names.map((name) => ({ name, file: walDisk.file(name) }));
    const begun = files.filter(({ file }) => file.syncedEnd > 0);
    const chosen = this.site.random.pick(begun);
    if (chosen === undefined) return undefined;
    const isLast = chosen === begun[begun.length - 1];
    const limit = isLast ? chosen.file.lastSyncedBatchAt : chosen.file.syncedEnd;
    return limit === 0 ? undefined : { ...chosen, offset: this.site.random.below(limit) };
  }

  private flip({ file, offset }: Place): void {
    for (const bytes of [file.durable, file.visible]) bytes[offset] = (bytes[offset] as number) ^ 0x10;
  }
}
