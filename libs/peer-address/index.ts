export { type PeerAddress, peerAddress, peerClientTls, peerServerTls } from './peer-address';
