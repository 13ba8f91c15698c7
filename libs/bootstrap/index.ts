export { begunIdentity, type BegunIdentity, begunNote, noteBegun } from './begun-note';
export { bootstrapEntries, type InitialMember, walBootstrap } from './first-entries';
