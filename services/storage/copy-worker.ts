import { parentPort, workerData } from 'node:worker_threads';
import { runRowMover } from '../../libs/store';

// Runs in a thread of its own: copying a store keeps a core busy.
if (parentPort !== null) runRowMover(parentPort, workerData);
