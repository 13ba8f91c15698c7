import { memberConfig, parseArguments, type ProcessConfig, type ProcessName, processConfig } from '../../config';

/** The configuration that the supervisor would hand a process for these flags, with the listeners of a test. */
export function configOf(
  name: ProcessName,
  addresses: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): ProcessConfig {
  const config = processConfig(memberConfig(parseArguments(['--rpc-engine=grpc-js', ...flags])), name);
  return { ...config, addresses: { ...config.addresses, ...addresses } };
}
