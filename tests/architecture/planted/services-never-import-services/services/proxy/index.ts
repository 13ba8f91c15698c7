import { y } from '../raft/y';
export const x = y;
