import type { RpcError } from '../../../libs/errors';

/** An operating error inside this folder's asynchronous flows; the route turns it back into the answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(readonly error: RpcError) {
    super(error.message);
  }
}
