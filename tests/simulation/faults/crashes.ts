import { type Member, PROCESSES } from '../cluster/member';
import type { Fault, FaultSite } from './fault';

/** Off for this long, milliseconds. */
const OFF_MS = [300, 12_000] as const;
/** Where a crash may be armed; it comes at one of the next times that the machine is there. */
const IO_POINTS = [
  'before wal-write',
  'after wal-write',
  'after wal-sync',
  'before wal-prepare',
  'after wal-prepare',
  'before store-commit',
  'before store-sync',
  'after store-sync',
] as const;
const TIMES_MAX = 3;

function restartLater(site: FaultSite, member: Member): void {
  site.later(site.between(...OFF_MS), () => member.startAll());
}

/** SIGKILL of one process; the supervisor starts it again. */
export function killProcess(site: FaultSite): Fault {
  return {
    name: 'process killed',
    weight: 6,
    inject: () => {
      const { up, random } = site;
      if (up.length === 0) return false;
      random.pick(up).kill(random.pick(PROCESSES));
      return true;
    },
  };
}

/** All processes of a member at once; what was written and not synced survives. */
export function killMember(site: FaultSite): Fault {
  return { name: 'member killed', weight: 3, inject: () => takeDown(site, false) };
}

/** And what was written and not synced is lost in part. */
export function cutPower(site: FaultSite): Fault {
  return { name: 'power cut', weight: 4, inject: () => takeDown(site, true) };
}

function takeDown(site: FaultSite, losesPower: boolean): boolean {
  const { up, random } = site;
  if (up.length === 0) return false;
  const member = random.pick(up);
  member.goDown(losesPower);
  restartLater(site, member);
  return true;
}

/** The power of all members at once, in the midst of their writes. */
export function cutAllPower(site: FaultSite): Fault {
  return {
    name: 'power cut of all members',
    weight: 2,
    inject: () => {
      for (const member of site.up) {
        member.goDown(true);
        restartLater(site, member);
      }
      return true;
    },
  };
}

/**
 * A power cut at a point of disk I/O: before or after a write, between write and sync, before the sync is told. Or the
 * processes are killed there, start again on what the page cache holds, and then the power goes.
 */
export function crashAtIo(site: FaultSite, points: Map<string, number>): Fault {
  return {
    name: 'power cut at an I/O point',
    weight: 5,
    inject: () => {
      const { up, random } = site;
      if (up.length === 0) return false;
      const member = random.pick(up);
      const target = random.pick(IO_POINTS);
      let left = 1 + random.below(target.endsWith('wal-prepare') ? 1 : TIMES_MAX);
      member.machine.onIo = (point) => {
        if (point !== target || --left > 0 || member.isDown) return;
        member.machine.onIo = () => undefined;
        points.set(point, (points.get(point) ?? 0) + 1);
        if (random.chance(0.6)) {
          member.goDown(true);
          restartLater(site, member);
        } else killThenCut(site, member);
      };
      return true;
    },
  };
}

function killThenCut(site: FaultSite, member: Member): void {
  member.goDown(false);
  site.later(100, () => {
    member.startAll();
    site.later(site.between(50, 1_500), () => {
      if (member.isDown) return;
      member.goDown(true);
      restartLater(site, member);
    });
  });
}

/** SIGSTOP: of one process or of a whole member. */
export function stopProcesses(site: FaultSite): Fault {
  return {
    name: 'processes stopped',
    weight: 5,
    inject: () => {
      const { up, random } = site;
      if (up.length === 0) return false;
      const all = [...random.pick(up).processes.values()];
      const stopped = random.chance(0.5) || all.length === 0 ? all : [random.pick(all)];
      for (const process of stopped) process.stop();
      site.later(site.between(200, 8_000), () => {
        for (const process of stopped) process.resume();
      });
      return stopped.length > 0;
    },
  };
}

/** Storage comes back behind what it has served, and nobody can tell it by how much. */
export function restartBehindStopped(site: FaultSite): Fault {
  return {
    name: 'storage killed while raft is stopped',
    weight: 2,
    inject: () => {
      const { up, random } = site;
      if (up.length === 0) return false;
      const member = random.pick(up);
      const raft = member.processes.get('raft');
      if (raft === undefined) return false;
      raft.stop();
      member.kill('storage');
      site.later(site.between(1_000, 6_000), () => raft.resume());
      return true;
    },
  };
}
