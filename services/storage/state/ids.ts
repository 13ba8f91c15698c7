export { idKey, idKeyEnd, type Identity } from '../../../libs/state-rows';
