import { connect } from '../rpc';
export const x = connect;
