export type { EventPublisher, EventSource, Messenger, OnMessage } from './types';
export { Announcer, Directory, type Listed } from './directory';
export { NatsMessenger, type MessengerLog, type NatsOptions } from './nats-messenger';
export { eventsSubject, hubSubject, memberSubject } from './subjects';
