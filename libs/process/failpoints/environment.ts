import { type FailpointSettings, parseFailpointSettings } from '../../failpoints';
import { StartError } from '../start-error';

/** What `GOFAIL_FAILPOINTS` and `GOFAIL_HTTP` ask for. */
export interface FailpointEnvironment {
  readonly settings: FailpointSettings;
  /** Where to serve gofail's protocol; undefined: nowhere. */
  readonly http: string | undefined;
}

/** undefined, as in production: neither variable is set. @throws StartError */
export function failpointEnvironment(env: NodeJS.ProcessEnv): FailpointEnvironment | undefined {
  const { GOFAIL_FAILPOINTS: text = '', GOFAIL_HTTP: http = '' } = env;
  if (text === '' && http === '') return undefined;
  try {
    return { settings: parseFailpointSettings(text), http: http === '' ? undefined : http };
  } catch (error) {
    throw error instanceof SyntaxError ? new StartError(`fail to parse failpoint: ${error.message}`) : error;
  }
}
