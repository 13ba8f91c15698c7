/** What one member says of its state at the index (or revision) that all were asked about. */
export interface Evidence {
  readonly hash: string;
  /** Its revision when it answered. */
  readonly revision: number;
}

export interface Verdict {
  /** Members whose state differs from that of the majority; none when no hash has one. */
  readonly odd: readonly bigint[];
  readonly majority: string | undefined;
  /** Whom the alarm is for: the odd ones, or all that disagree when nobody can say who is right. */
  readonly suspects: readonly bigint[];
}

/**
 * Says which members are wrong. A majority is one of all members of the cluster, whether they have answered or not, so
 * that of two members neither is.
 */
export function judge(evidence: ReadonlyMap<bigint, Evidence>, memberCount: number): Verdict {
  const votes = new Map<string, number>();
  for (const { hash } of evidence.values()) votes.set(hash, (votes.get(hash) ?? 0) + 1);
  const all = [...evidence.keys()];
  if (votes.size < 2) return { odd: [], majority: undefined, suspects: [] };
  const majority = [...votes].find(([, count]) => 2 * count > memberCount)?.[0];
  if (majority === undefined) return { odd: [], majority, suspects: all };
  const odd = all.filter((id) => evidence.get(id)?.hash !== majority);
  return { odd, majority, suspects: odd };
}
