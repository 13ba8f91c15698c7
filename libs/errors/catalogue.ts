import { GrpcCode, type RpcError } from './grpc-code';

/**
 * definite: the request had no effect and never will; unknown: it may have taken effect or may still.
 */
export type Outcome = 'definite' | 'unknown';

/** An error of the catalogue: what the client sees, and what members say to each other about it (`id`). */
export interface CatalogueError extends RpcError {
  readonly id: number;
  readonly outcome: Outcome;
}

const {
  Cancelled,
  DataLoss,
  DeadlineExceeded,
  FailedPrecondition,
  Internal,
  InvalidArgument,
  NotFound,
  OutOfRange,
  PermissionDenied,
  ResourceExhausted,
  Unauthenticated,
  Unavailable,
  Unimplemented,
  Unknown,
} = GrpcCode;

function definite(id: number, code: GrpcCode, message: string): CatalogueError {
  return { id, code, message, outcome: 'definite' };
}

function unknown(id: number, code: GrpcCode, message: string): CatalogueError {
  return { id, code, message, outcome: 'unknown' };
}

/**
 * Every error by name. Ids are stored in the log's results and sent between versions: never renumber, never reuse. Codes are
 * those on etcd's wire, and clients compare the texts letter by letter.
 */
export const Errors = {
  EmptyKey: definite(1, InvalidArgument, 'etcdserver: key is not provided'),
  KeyNotFound: definite(2, InvalidArgument, 'etcdserver: key not found'),
  ValueProvided: definite(3, InvalidArgument, 'etcdserver: value is provided'),
  LeaseProvided: definite(4, InvalidArgument, 'etcdserver: lease is provided'),
  TooManyOps: definite(5, InvalidArgument, 'etcdserver: too many operations in txn request'),
  DuplicateKey: definite(6, InvalidArgument, 'etcdserver: duplicate key given in txn request'),
  InvalidClientAPIVersion: definite(7, InvalidArgument, 'etcdserver: invalid client api version'),
  InvalidSortOption: definite(8, InvalidArgument, 'etcdserver: invalid sort option'),
  Compacted: definite(9, OutOfRange, 'etcdserver: mvcc: required revision has been compacted'),
  FutureRev: definite(10, OutOfRange, 'etcdserver: mvcc: required revision is a future revision'),
  NoSpace: definite(11, ResourceExhausted, 'etcdserver: mvcc: database space exceeded'),
  LeaseNotFound: definite(12, NotFound, 'etcdserver: requested lease not found'),
  LeaseExist: definite(13, FailedPrecondition, 'etcdserver: lease already exists'),
  LeaseTTLTooLarge: definite(14, OutOfRange, 'etcdserver: too large lease TTL'),
  WatchCanceled: definite(15, Cancelled, 'etcdserver: watch canceled'),
  MemberExist: definite(16, FailedPrecondition, 'etcdserver: member ID already exist'),
  PeerURLExist: definite(17, FailedPrecondition, 'etcdserver: Peer URLs already exists'),
  // etcd's table says FailedPrecondition, but the error it returns carries no gRPC status, so the wire says Unknown.
  MemberNotEnoughStarted: definite(
    18,
    Unknown,
    'etcdserver: re-configuration failed due to not enough started members',
  ),
  MemberBadURLs: definite(19, InvalidArgument, 'etcdserver: given member URLs are invalid'),
  MemberNotFound: definite(20, NotFound, 'etcdserver: member not found'),
  MemberNotLearner: definite(21, FailedPrecondition, 'etcdserver: can only promote a learner member'),
  LearnerNotReady: definite(
    22,
    FailedPrecondition,
    'etcdserver: can only promote a learner member which is in sync with leader',
  ),
  TooManyLearners: definite(23, FailedPrecondition, 'etcdserver: too many learner members in cluster'),
  ClusterIDMismatch: definite(24, FailedPrecondition, 'etcdserver: cluster ID mismatch'),
  RequestTooLarge: definite(25, InvalidArgument, 'etcdserver: request is too large'),
  // As with MemberNotEnoughStarted: ResourceExhausted in the table, Unknown on the wire.
  TooManyRequests: definite(26, Unknown, 'etcdserver: too many requests'),
  RootUserNotExist: definite(27, FailedPrecondition, 'etcdserver: root user does not exist'),
  RootRoleNotExist: definite(28, FailedPrecondition, 'etcdserver: root user does not have root role'),
  UserAlreadyExist: definite(29, FailedPrecondition, 'etcdserver: user name already exists'),
  UserEmpty: definite(30, InvalidArgument, 'etcdserver: user name is empty'),
  UserNotFound: definite(31, FailedPrecondition, 'etcdserver: user name not found'),
  RoleAlreadyExist: definite(32, FailedPrecondition, 'etcdserver: role name already exists'),
  RoleNotFound: definite(33, FailedPrecondition, 'etcdserver: role name not found'),
  RoleEmpty: definite(34, InvalidArgument, 'etcdserver: role name is empty'),
  AuthFailed: definite(35, InvalidArgument, 'etcdserver: authentication failed, invalid user ID or password'),
  PermissionNotGiven: definite(36, InvalidArgument, 'etcdserver: permission not given'),
  PermissionDenied: definite(37, PermissionDenied, 'etcdserver: permission denied'),
  RoleNotGranted: definite(38, FailedPrecondition, 'etcdserver: role is not granted to the user'),
  PermissionNotGranted: definite(39, FailedPrecondition, 'etcdserver: permission is not granted to the role'),
  AuthNotEnabled: definite(40, FailedPrecondition, 'etcdserver: authentication is not enabled'),
  InvalidAuthToken: definite(41, Unauthenticated, 'etcdserver: invalid auth token'),
  InvalidAuthMgmt: definite(42, InvalidArgument, 'etcdserver: invalid auth management'),
  AuthOldRevision: definite(43, InvalidArgument, 'etcdserver: revision of auth store is old'),
  NoLeader: definite(44, Unavailable, 'etcdserver: no leader'),
  NotLeader: definite(45, FailedPrecondition, 'etcdserver: not leader'),
  LeaderChanged: unknown(46, Unavailable, 'etcdserver: leader changed'),
  NotCapable: definite(47, FailedPrecondition, 'etcdserver: not capable'),
  Stopped: unknown(48, Unavailable, 'etcdserver: server stopped'),
  Timeout: unknown(49, Unavailable, 'etcdserver: request timed out'),
  TimeoutLeaderFail: unknown(50, Unavailable, 'etcdserver: request timed out, possibly due to previous leader failure'),
  TimeoutConnectionLost: unknown(51, Unavailable, 'etcdserver: request timed out, possibly due to connection lost'),
  TimeoutAppliedIndex: unknown(
    52,
    Unavailable,
    'etcdserver: request timed out, waiting for the applied index took too long',
  ),
  Unhealthy: definite(53, Unavailable, 'etcdserver: unhealthy cluster'),
  Corrupt: definite(54, DataLoss, 'etcdserver: corrupt cluster'),
  NotSupportedForLearner: definite(55, FailedPrecondition, 'etcdserver: rpc not supported for learner'),
  BadLeaderTransferee: definite(56, FailedPrecondition, 'etcdserver: bad leader transferee'),
  WrongDowngradeVersionFormat: definite(57, InvalidArgument, 'etcdserver: wrong downgrade target version format'),
  InvalidDowngradeTargetVersion: definite(58, InvalidArgument, 'etcdserver: invalid downgrade target version'),
  ClusterVersionUnavailable: definite(59, FailedPrecondition, 'etcdserver: cluster version not found during downgrade'),
  DowngradeInProcess: definite(60, FailedPrecondition, 'etcdserver: cluster has a downgrade job in progress'),
  NoInflightDowngrade: definite(61, FailedPrecondition, 'etcdserver: no inflight downgrade job'),
  Canceled: unknown(62, Cancelled, 'etcdserver: request canceled'),
  DeadlineExceeded: unknown(63, DeadlineExceeded, 'etcdserver: context deadline exceeded'),

  // Not in etcd's table of client errors: texts that reach the wire as they are.
  ContextCanceled: unknown(64, Cancelled, 'context canceled'),
  ContextDeadlineExceeded: unknown(65, DeadlineExceeded, 'context deadline exceeded'),
  NoPasswordUser: definite(66, Unknown, 'auth: authentication failed, password was given for no password user'),
  TimeoutLeaderTransfer: unknown(67, Unknown, 'etcdserver: request timed out, leader transfer took too long'),
  // etcd says Unknown, which clients don't try elsewhere; Unavailable sends them to another member.
  NotPrimaryLessor: definite(68, Unavailable, 'not a primary lessor'),
  UnknownMethod: definite(69, Unknown, 'etcdserver: unknown method'),
  ElectionNoLeader: definite(70, Unknown, 'election: no leader'),
  ElectionNoLeaderKey: definite(71, Unknown, '"leader" field must be provided'),
  ElectionNotLeader: definite(72, Unknown, 'election: not leader'),
  SessionExpired: definite(73, Unknown, 'mutex: session is expired'),
  RangeStreamSortOrder: definite(74, Unimplemented, 'RangeStream does not support custom sort orders'),
  RangeStreamRevisionFilters: definite(75, Unimplemented, 'RangeStream does not support revision filters'),
  // What follows `request:` and `message:` differs between releases of Go's protobuf; no client reads it.
  MalformedRequest: definite(
    76,
    Internal,
    'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data',
  ),
  MalformedMessage: definite(
    77,
    Internal,
    'grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data',
  ),
  // Between storage and proxy only: the answer is to be asked for in parts.
  LargeAnswer: definite(78, ResourceExhausted, 'etcdserver: the response is too large'),
} as const satisfies Readonly<Record<string, CatalogueError>>;

export type ErrorName = keyof typeof Errors;

/** Stands between processes for an error whose text travels beside it. */
export const UNCATALOGUED_ID = 1000;
