// Package visible is the rule of history visibility (Client-Server API, "Room History Visibility").
package visible

// The values of history_visibility. Any other, and none, counts as Shared.
const (
	WorldReadable = "world_readable"
	Shared        = "shared"
	Invited       = "invited"
	Joined        = "joined"
)

// Allowed says whether a user may see an event: visibility and membership are those of the moment of the event, and
// joinedLater says whether she has joined the room at any time since. For a change of the visibility itself, and of her
// own membership, it is enough that either the values before or those after allow it.
func Allowed(visibility, membership string, joinedLater bool) bool {
	switch visibility {
	case WorldReadable:
		return true
	case Invited:
		return membership == "join" || membership == "invite"
	case Joined:
		return membership == "join"
	}
	return membership == "join" || joinedLater
}
