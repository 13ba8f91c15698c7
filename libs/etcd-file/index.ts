export { EtcdFileError } from './errors';
export { STORAGE_VERSION } from './names';
export { EtcdFile, type EtcdMeta, type EtcdVersion } from './read';
export { fileProblem, fileStatus, type FileStatus } from './status';
export { etcdBuckets, type EtcdLease, type EtcdState } from './write';
