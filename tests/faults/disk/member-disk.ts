import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { diskEnvironment } from './library';
import { type CutReport, cutPower } from './power-cut';
import type { Random } from './random';

/** The disk of one member: a directory, what is durable of it, and the journal in between. */
export class MemberDisk {
  private readonly journal: string;
  private readonly bootId: string;
  private readonly image: string;

  /** @param root a directory that exists; everything below it is on this disk */
  constructor(readonly root: string) {
    this.journal = `${root}.journal`;
    this.bootId = `${root}.boot-id`;
    this.image = `${root}.image`;
    mkdirSync(this.image, { mode: 0o700 });
    this.newBoot();
  }

  environment(library: string): NodeJS.ProcessEnv {
    return diskEnvironment(library, { root: this.root, journal: this.journal, bootId: this.bootId });
  }

  /** The power was cut: the directory is what the disk has kept. Nobody may be using it. */
  cut(random: Random, syncsLie: boolean): CutReport | undefined {
    if (!existsSync(this.journal)) return undefined;
    const { image, root, journal } = this;
    copyFileSync(journal, `${root}.last-journal`); // for whoever looks into a failure
    const report = cutPower({ image, root, journal, random, syncsLie });
    rmSync(journal);
    rmSync(root, { recursive: true });
    copyTree(image, root);
    this.newBoot();
    return report;
  }

  private newBoot(): void {
    writeFileSync(this.bootId, `${randomUUID()}\n`);
  }

  /** @param isKept what a look into a failure needs stays */
  remove(isKept: boolean): void {
    const always = [this.journal, this.bootId, `${this.image}.objects`];
    const paths = isKept ? always : [...always, this.root, this.image, `${this.root}.last-journal`];
    for (const path of paths) rmSync(path, { recursive: true, force: true, maxRetries: 10 });
  }
}

function copyTree(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot copy ${from}: ${stderr}`);
}
