import type { Canary } from './canary';

export const WAL_CANARIES: Readonly<Record<string, Canary>> = {
  'does not look at checksums': {
    defect: { noChecksum: true },
    caughtBy: ['bit flips', 'process'],
    seedsMax: 10,
    minutes: 5,
    faultEveryMs: 2_500,
  },
  'does not sync at open what a killed process had written': {
    defect: { noSyncAtOpen: true },
    caughtBy: ['process', 'acknowledged writes', 'leader completeness', 'monotonic revisions', 'liveness'],
    seedsMax: 40,
    minutes: 5,
    faultEveryMs: 3_000,
    faults: ['power cut at an I/O point'],
  },
};
