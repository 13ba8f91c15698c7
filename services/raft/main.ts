import { runProcess } from '../../libs/process';
import { startRaft } from './server';

runProcess('raft', startRaft);
