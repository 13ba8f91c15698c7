import { runProcess } from '../../libs/process';
import { startWatch } from './server';

runProcess('watch', startWatch);
