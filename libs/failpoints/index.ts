export {
  failpoint,
  type Failpoint,
  type FailpointHost,
  type FailpointValue,
  installFailpointHost,
  registeredFailpoint,
} from './failpoint';
export { FAILPOINTS, type FailpointName, failpointNames, type FailpointProcess, processOfFailpoint } from './points';
export { checkTerms, type FailpointSettings, parseFailpointSettings } from './settings';
