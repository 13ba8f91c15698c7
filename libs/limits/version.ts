/** The release of etcd whose API this is; what a member calls its version everywhere. */
export const ETCD_VERSION = '3.7.1';
