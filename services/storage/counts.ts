import { exponentialBounds, Histogram } from '../../libs/telemetry';
import { MaintenanceCounts } from './maintenance-counts';

/** What storage counts as it works; plain numbers that only grow. */
export class StorageCounts {
  puts = 0;
  deletes = 0;
  txns = 0;
  ranges = 0;
  putBytes = 0;
  leasesGranted = 0;
  leasesRevoked = 0;
  slices = 0;
  entriesApplied = 0;
  /** Slices of apply that took more than `limits.slowApplyMs`. */
  slowApplies = 0;
  readonly apply = new Histogram(exponentialBounds(0.0001, 2, 20));
  readonly commit = new Histogram(exponentialBounds(0.001, 2, 14));
  /** Seconds that leases were granted for. */
  readonly leaseTtl = new Histogram(exponentialBounds(1, 2, 24));
  readonly maintenance = new MaintenanceCounts();
}
