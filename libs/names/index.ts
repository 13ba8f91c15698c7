import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { systemNames } from './name-lookup';

export { NameLookup, type NameLookupOptions, type NameServers } from './name-lookup';

const names = systemNames();

/** All addresses of a host, IPv4 first. See `NameLookup.find`. */
export function lookupAll(host: string): Promise<readonly LookupAddress[]> {
  return names.find(host);
}

/** The same for `net.connect` and `tls.connect`. */
export const lookup: LookupFunction = (host, options, callback) => {
  const { family = 0 } = options;
  const wanted = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : family;
  names.find(host).then(
    (found) => {
      const fitting = wanted === 0 ? found : found.filter((one) => one.family === wanted);
      const [first] = fitting;
      if (first === undefined)
        callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), []);
      else if (options.all === true) callback(null, [...fitting]);
      else callback(null, first.address, first.family);
    },
    (error: NodeJS.ErrnoException) => callback(error, []),
  );
};
