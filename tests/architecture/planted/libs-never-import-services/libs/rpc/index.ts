import { y } from '../../services/raft/y';
export const x = y;
