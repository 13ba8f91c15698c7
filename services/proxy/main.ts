import { runProcess } from '../../libs/process';
import { startProxy } from './server';

runProcess('proxy', startProxy);
