import { limitRelations } from './relations';

export * from './limits';
export { limitRelations, type Relation } from './relations';

for (const { statement, holds } of limitRelations()) if (!holds) throw new Error(`limits: not so: ${statement}`);
export { entryFormatAt, isLowerVersion, newestEntryFormat, type Release, RELEASE } from './release';
export { ETCD_VERSION } from './version';
