import { EventTimeline } from "matrix-js-sdk";
import type { Room, RoomState } from "matrix-js-sdk";

/** The state of a room as it is now. */
export const stateOf = (room: Room): RoomState => room.getLiveTimeline().getState(EventTimeline.FORWARDS)!;
