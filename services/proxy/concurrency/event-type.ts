/** mvccpb.Event.EventType */
export const EventType = { Put: 0, Delete: 1 } as const;
