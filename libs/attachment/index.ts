export { Attachment, type AttachmentLog, type Sibling } from './attachment';
export { openAttachment, ownMember, type OpenedAttachment } from './open';
