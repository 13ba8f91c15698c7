import { runProcess } from '../../libs/process';
import { startAuth } from './server';

runProcess('auth', startAuth);
