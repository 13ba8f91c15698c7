import { runProcess } from '../../libs/process';
import { startStorage } from './server';

runProcess('storage', startStorage);
