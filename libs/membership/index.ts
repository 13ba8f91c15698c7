export { refusalOfChange, type ChangeKind, type ChangeRefusal, type KnownMember, type MembersView } from './rules';
