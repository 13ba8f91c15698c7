/** Who a request acts as, as it is stamped on entries and reads. */
export interface Identity {
  readonly user: string;
  readonly userBytes: Uint8Array;
  /** 0 while auth is off. */
  readonly authRevision: number;
}

export const NOBODY: Identity = { user: '', userBytes: new Uint8Array(0), authRevision: 0 };

const utf8 = new TextEncoder();

export function createIdentity(user: string, authRevision: number): Identity {
  return { user, userBytes: utf8.encode(user), authRevision };
}
