import { LeaseTimer } from '../../../libs/lease-timing';
import { WatchCore } from '../../../libs/watch-core';
import { HubSession } from '../../../services/proxy/watch/hub-session';
import type { HubState } from '../../../libs/watch-core/state';
import { type Canary, replaceMethod } from './canary';

const storm = { minutes: 5, faultEveryMs: 4_000 };

interface CoreInsides {
  readonly state: HubState;
}

interface SessionInsides {
  createRequest(registration: { readonly watcher: { nextRevision: number; created: boolean } }): object;
}

export const WATCH_AND_LEASE_CANARIES: Readonly<Record<string, Canary>> = {
  'the hub does not notice gaps': {
    defect: {
      code: () =>
        replaceMethod(
          WatchCore.prototype,
          'events',
          (events) =>
            function (this: WatchCore, batch) {
              const { live } = (this as unknown as CoreInsides).state;
              // As if each batch followed what is known, and no message told of a later revision.
              const currentRevision = batch.revisions.at(-1)?.revision ?? live;
              events.call(this, live < 0 ? batch : { ...batch, previousRevision: live, currentRevision });
            },
        ),
    },
    caughtBy: ['watch completeness', 'watch order'],
    seedsMax: 20,
    ...storm,
  },
  'a watch goes on one revision too early': {
    defect: {
      code: () =>
        replaceMethod(
          HubSession.prototype as unknown as SessionInsides,
          'createRequest',
          (make) =>
            function (this: SessionInsides, registration) {
              const { watcher } = registration;
              const early = { ...watcher, nextRevision: watcher.nextRevision - 1 };
              return make.call(this, watcher.nextRevision > 2 ? { ...registration, watcher: early } : registration);
            },
        ),
    },
    caughtBy: ['watch order'],
    seedsMax: 5,
    ...storm,
  },
  'a watch on a future revision gets older events': {
    defect: {
      code: () =>
        replaceMethod(
          WatchCore.prototype,
          'create',
          (create) =>
            function (this: WatchCore, connection, session, request) {
              const { live } = (this as unknown as CoreInsides).state;
              const startRevision = live < 0 ? request.startRevision : Math.min(request.startRevision, live + 1);
              create.call(this, connection, session, { ...request, startRevision });
            },
        ),
    },
    caughtBy: ['watch order'],
    seedsMax: 5,
    ...storm,
  },
  'progress runs ahead of events': {
    defect: {
      code: () =>
        replaceMethod(
          WatchCore.prototype,
          'takeOutputs',
          (take) =>
            function (this: WatchCore) {
              return take.call(this).map((output) => {
                if (output.kind !== 'deliver' || output.delivery.progress !== true) return output;
                return { ...output, delivery: { ...output.delivery, revision: output.delivery.revision + 3 } };
              });
            },
        ),
    },
    caughtBy: ['watch completeness', 'watch order'],
    seedsMax: 5,
    ...storm,
  },
  'a renewal that does not count': {
    defect: {
      code: () =>
        replaceMethod(
          LeaseTimer.prototype,
          'renew',
          (renew) =>
            function (this: LeaseTimer, id, now) {
              return renew.call(this, id, Math.max(1, now - 4_000));
            },
        ),
    },
    caughtBy: ['leases'],
    seedsMax: 5,
    ...storm,
  },
  'leases that never end': {
    defect: { code: () => replaceMethod(LeaseTimer.prototype, 'takeExpired', () => () => []) },
    caughtBy: ['leases'],
    seedsMax: 2,
    minutes: 2,
  },
};
