export { begunIdentity, type BegunIdentity, begunNote, begunToken, noteBegun } from './begun-note';
export { bootstrapEntries, type InitialMember, walBootstrap } from './first-entries';
