import type { Metadata } from '../../../libs/rpc';

/** What the edge reads of a call's metadata. */
export interface CallMetadata {
  /** `token`, else `authorization` without its `Bearer `; undefined: none. */
  readonly token: string | undefined;
  readonly hasLeader: boolean;
  /** Version text fit for a metric's label; empty: none or not one. */
  readonly clientApiVersion: string;
  /** The client asks where the time of its request goes. */
  readonly wantsTiming: boolean;
  /** `traceparent`, as it came. */
  readonly traceparent: string | undefined;
}

const NOTHING: CallMetadata = {
  token: undefined,
  hasLeader: false,
  clientApiVersion: '',
  wantsTiming: false,
  traceparent: undefined,
};
const BEARER = 'Bearer ';

let lastMetadata: Metadata | undefined;
let lastRead: CallMetadata = NOTHING;

/** Engines may share one array between the calls of a connection, so the last one read is kept. */
export function readMetadata(metadata: Metadata): CallMetadata {
  if (metadata === lastMetadata) return lastRead;
  lastRead = read(metadata);
  lastMetadata = metadata;
  return lastRead;
}

function read(metadata: Metadata): CallMetadata {
  let token: string | undefined;
  let authorization: string | undefined;
  let hasLeader = false;
  let clientApiVersion = '';
  let wantsTiming = false;
  let traceparent: string | undefined;
  for (let i = 0; i < metadata.length; i++) {
    const [name, value] = metadata[i] as readonly [string, string];
    if (name === 'token') token ??= value;
    else if (name === 'authorization') authorization ??= value;
    else if (name === 'hasleader') hasLeader ||= value === 'true';
    else if (name === 'hexad-timing') wantsTiming = value === '1';
    else if (name === 'traceparent') traceparent = value;
    else if (name === 'client-api-version') clientApiVersion = /^\d[\w.+-]{0,31}$/.test(value) ? value : '';
  }
  token ??= authorization;
  const isPlain = token === undefined && !hasLeader && clientApiVersion === '';
  if (isPlain && !wantsTiming && traceparent === undefined) return NOTHING;
  return { token: withoutBearer(token), hasLeader, clientApiVersion, wantsTiming, traceparent };
}

function withoutBearer(token: string | undefined): string | undefined {
  return token?.startsWith(BEARER) === true ? token.slice(BEARER.length) : token;
}
