import { encodeClusterVersion, EntryKind } from '../../../proto/gen/hexad';
import { OwnProposals } from '../../../services/storage/own-proposals';
import type { ReplicatedState } from '../../../services/storage/state/state';
import { type Canary, replaceMethod } from './canary';

/** An old member that meets what it does not understand ends itself. */
const upgraded = { upgrade: true, members: 3, caughtBy: ['process'], faults: ['process killed'], seedsMax: 3 };

export const UPGRADE_CANARIES: Readonly<Record<string, Canary>> = {
  'proposes entries of a new format before all members understand it': {
    ...upgraded,
    defect: { eagerFormat: true },
  },
  'raises the cluster version before all members have it': {
    ...upgraded,
    defect: {
      code: () => {
        interface Insides {
          readonly options: { readonly serverVersion: string; readonly state: ReplicatedState };
          decideVersion(): void;
          propose(kind: number, body: () => Uint8Array): void;
        }
        return replaceMethod(
          OwnProposals.prototype as unknown as Insides,
          'decideVersion',
          () =>
            function (this: Insides) {
              const { serverVersion, state } = this.options;
              const version = serverVersion.replace(/\d+$/, '0');
              if (state.clusterVersion >= version) return;
              this.propose(EntryKind.ENTRY_CLUSTER_VERSION, () => encodeClusterVersion({ version }));
            },
        );
      },
    },
  },
};
