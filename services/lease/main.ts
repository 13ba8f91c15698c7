import { runProcess } from '../../libs/process';
import { startLease } from './server';

runProcess('lease', startLease);
