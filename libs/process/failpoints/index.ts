export { hostOwnFailpoints } from './alone';
export { type ChildLine, followSupervisor, type OrderLine } from './child-side';
export { type FailpointEnvironment, failpointEnvironment } from './environment';
export { FAILPOINT_DISABLED, type FailpointOrder, type FailpointReply, NO_SUCH_FAILPOINT } from './host';
export { type FailpointBackend, serveFailpoints } from './http';
