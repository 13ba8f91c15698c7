import { Errors } from '../../libs/errors';
import {
  AUTH_PATHS,
  decodeAuthenticateRequest,
  decodeAuthUserAddRequest,
  decodeAuthUserChangePasswordRequest,
  encodeAuthenticateResponse,
  encodeAuthUserAddRequest,
  encodeAuthUserChangePasswordRequest,
} from '../../proto/gen/etcdserverpb';
import {
  AuthMethod,
  decodeAuthToken,
  decodeHashedPassword,
  encodePasswordToHash,
  EntryKind,
  StorageMethod,
} from '../../proto/gen/hexad';
import type { Answer } from './answer';
import { tokenIndex } from './auth/tokens';
import type { Headers } from './headers';
import { Limits } from './limits';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { UnaryRequest } from './requests';
import type { Routes, UnaryRoute } from './router';
import type { SiblingCalls } from './sibling-calls';
import type { WritePipeline } from './writes';

export interface AuthOptions {
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly auth: SiblingCalls;
  readonly view: MemberView;
  readonly headers: Headers;
  readonly now: () => number;
}

/** etcdserverpb.Auth. Users and roles are storage's; passwords are hashed by the auth process and never reach the log. */
export function authRoutes(options: AuthOptions): Routes {
  const change = (kind: number): UnaryRoute => ({
    handle: (request) => submitChange(options, kind, request.body, request),
  });
  const read = (method: number, isOpen = false): UnaryRoute => ({
    isOpen,
    handle: (request) => options.reads.linearizable(method, request.body, request.identity, request),
  });
  return {
    unary: {
      [AUTH_PATHS.AuthEnable]: change(EntryKind.ENTRY_AUTH_ENABLE),
      [AUTH_PATHS.AuthDisable]: change(EntryKind.ENTRY_AUTH_DISABLE),
      [AUTH_PATHS.AuthStatus]: read(StorageMethod.STORAGE_AUTH_STATUS, true),
      [AUTH_PATHS.Authenticate]: { isOpen: true, handle: (request) => authenticate(options, request) },
      [AUTH_PATHS.UserAdd]: { handle: (request) => addUser(options, request) },
      [AUTH_PATHS.UserGet]: read(StorageMethod.STORAGE_USER_GET),
      [AUTH_PATHS.UserList]: read(StorageMethod.STORAGE_USER_LIST),
      [AUTH_PATHS.UserDelete]: change(EntryKind.ENTRY_USER_DELETE),
      [AUTH_PATHS.UserChangePassword]: { handle: (request) => changePassword(options, request) },
      [AUTH_PATHS.UserGrantRole]: change(EntryKind.ENTRY_USER_GRANT_ROLE),
      [AUTH_PATHS.UserRevokeRole]: change(EntryKind.ENTRY_USER_REVOKE_ROLE),
      [AUTH_PATHS.RoleAdd]: change(EntryKind.ENTRY_ROLE_ADD),
      [AUTH_PATHS.RoleGet]: read(StorageMethod.STORAGE_ROLE_GET),
      [AUTH_PATHS.RoleList]: read(StorageMethod.STORAGE_ROLE_LIST),
      [AUTH_PATHS.RoleDelete]: change(EntryKind.ENTRY_ROLE_DELETE),
      [AUTH_PATHS.RoleGrantPermission]: change(EntryKind.ENTRY_ROLE_GRANT_PERMISSION),
      [AUTH_PATHS.RoleRevokePermission]: change(EntryKind.ENTRY_ROLE_REVOKE_PERMISSION),
    },
  };
}

/**
 * Proposes a change of the auth records and answers once this process has seen it too: the client's next request is
 * then stamped with the new auth revision.
 */
function submitChange(options: AuthOptions, kind: number, body: Uint8Array, request: UnaryRequest): void {
  const { writes, view, now } = options;
  const answer: Answer = {
    get cancelled() {
      return request.cancelled;
    },
    trace: request.trace,
    fail: (error) => request.fail(error),
    reply: (response) => {
      view.whenApplied(writes.resultIndex, now() + Limits.ownChangeSeenMs, () => request.reply(response));
    },
  };
  writes.submit(kind, body, request.identity, answer);
}

function authenticate({ auth, view, headers, now }: AuthOptions, request: UnaryRequest): void {
  decodeAuthenticateRequest(request.body); // bytes that are none must not reach the auth process
  auth.call(AuthMethod.AUTH_AUTHENTICATE, request.body, {
    trace: request.trace,
    get cancelled() {
      return request.cancelled;
    },
    fail: (error) => request.fail(error),
    reply: (bytes) => {
      const { token } = decodeAuthToken(bytes);
      const answer = (): void => request.reply(encodeAuthenticateResponse({ header: headers.current(), token }));
      // A simple token is known here once its entry is; its holder may come back at once.
      view.whenApplied(tokenIndex(token) ?? 0, now() + Limits.ownChangeSeenMs, answer);
    },
  });
}

function addUser(options: AuthOptions, request: UnaryRequest): void {
  const user = decodeAuthUserAddRequest(request.body);
  if (user.name === '') {
    request.fail(Errors.UserEmpty);
    return;
  }
  const { name } = user;
  const userOptions = user.options;
  if (userOptions?.noPassword === true) {
    const body = encodeAuthUserAddRequest({ name, options: userOptions });
    submitChange(options, EntryKind.ENTRY_USER_ADD, body, request);
    return;
  }
  withHash(options, user.password, request, (hashedPassword) => {
    const body = encodeAuthUserAddRequest({ name, options: userOptions, hashedPassword });
    submitChange(options, EntryKind.ENTRY_USER_ADD, body, request);
  });
}

function changePassword(options: AuthOptions, request: UnaryRequest): void {
  const { name, password } = decodeAuthUserChangePasswordRequest(request.body);
  withHash(options, password, request, (hashedPassword) => {
    const body = encodeAuthUserChangePasswordRequest({ name, hashedPassword });
    submitChange(options, EntryKind.ENTRY_USER_CHANGE_PASSWORD, body, request);
  });
}

/** The log carries bcrypt's text as base64, as etcd's does. */
function withHash(
  { auth }: AuthOptions,
  password: string,
  request: UnaryRequest,
  next: (hashedPassword: string) => void,
): void {
  auth.call(AuthMethod.AUTH_HASH_PASSWORD, encodePasswordToHash({ password }), {
    trace: request.trace,
    get cancelled() {
      return request.cancelled;
    },
    fail: (error) => request.fail(error),
    reply: (bytes) => next(Buffer.from(decodeHashedPassword(bytes).hash, 'utf8').toString('base64')),
  });
}
