import { Errors } from '../../../libs/errors';
import type { PutRequest, Store } from '../../../libs/mvcc';
import { WritePipeline } from '../../../services/proxy/writes';
import { Gate } from '../../../services/storage/gate';
import { ReadServer } from '../../../services/storage/reads/read-server';
import { type Canary, replaceMethod } from './canary';

const storm = { minutes: 5, faultEveryMs: 4_000 };

/** Does the same to some puts on every member, or on one. */
function spoilPut(store: Store, isSpoiled: (value: Uint8Array) => boolean): void {
  const put = store.put.bind(store);
  store.put = (request, hooks) => {
    if (!isSpoiled(request.value)) return put(request, hooks);
    const header = { revision: store.revision };
    return { ok: true, value: { response: { header, prevKv: undefined }, made: undefined } };
  };
}

function turned(request: PutRequest): PutRequest {
  const value = Uint8Array.from(request.value);
  value[0] = (value[0] ?? 0) ^ 1;
  return { ...request, value };
}

const endsIn = (digits: string) => (value: Uint8Array) => Buffer.from(value).toString('latin1').endsWith(digits);

export const STORAGE_CANARIES: Readonly<Record<string, Canary>> = {
  'one member leaves out a put': {
    defect: {
      store: (store, { machine }) => {
        if (machine.name === 'm2') spoilPut(store, endsIn('5'));
      },
    },
    caughtBy: ['state machine equality'],
    seedsMax: 2,
    members: 3,
    minutes: 2,
  },
  'one member applies a put with one bit of its value turned over': {
    defect: {
      store: (store, { machine }) => {
        if (machine.name !== 'm2') return;
        const put = store.put.bind(store);
        store.put = (request, hooks) => put(endsIn('5')(request.value) ? turned(request) : request, hooks);
      },
    },
    caughtBy: ['state machine equality'],
    seedsMax: 2,
    members: 3,
    minutes: 2,
  },
  'acknowledges puts that it leaves out': {
    defect: { store: (store) => spoilPut(store, endsIn('5')) },
    caughtBy: ['acknowledged writes'],
    seedsMax: 2,
    minutes: 2,
  },
  'the applied index is committed apart from the data': {
    defect: { splitCommit: true },
    caughtBy: ['state machine equality', 'monotonic revisions', 'process'],
    seedsMax: 10,
    ...storm,
  },
  'refuses writes that take effect': {
    defect: {
      code: () =>
        replaceMethod(
          WritePipeline.prototype,
          'submit',
          (submit) =>
            function (this: WritePipeline, kind, body, identity, answer) {
              submit.call(this, kind, body, identity, answer);
              if (body[body.length - 1] === 0x33) answer.fail(Errors.TooManyRequests);
            },
        ),
    },
    caughtBy: ['definite errors'],
    seedsMax: 2,
    minutes: 2,
  },
  'serves before it has caught up after a start': {
    defect: {
      code: () =>
        replaceMethod(
          Gate.prototype,
          'whenOpen',
          () =>
            function (this: Gate, callback) {
              this.open();
              callback();
            },
        ),
    },
    caughtBy: ['monotonic revisions', 'linearizable reads', 'leases'],
    seedsMax: 60,
    members: 3,
    minutes: 5,
    faultEveryMs: 2_000,
    faults: ['storage killed while raft is stopped'],
  },
  'reads do not wait for their index': {
    defect: {
      code: () => {
        interface Insides {
          accept(call: unknown, peer: unknown): void;
          answer(call: unknown, peer: unknown): void;
        }
        return replaceMethod(
          ReadServer.prototype as unknown as Insides,
          'accept',
          () =>
            function (this: Insides, call, peer) {
              this.answer(call, peer);
            },
        );
      },
    },
    caughtBy: ['linearizable reads'],
    seedsMax: 10,
    members: 3,
    ...storm,
  },
};
