package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SlidingRequest is sliding sync as clients send it today, from before it was merged (simplified MSC3575).
type SlidingRequest struct {
	Pos         string `query:"pos" json:"-"`
	Timeout     int64  `query:"timeout" json:"-"` // milliseconds
	SetPresence string `query:"set_presence" json:"-"`

	BodyPos       string                    `json:"pos"` // of clients that are ahead of their time
	BodyTimeout   int64                     `json:"timeout"`
	Connection    string                    `json:"conn_id"`
	Lists         map[string]*SlidingList   `json:"lists"`
	Subscriptions map[string]*SlidingWanted `json:"room_subscriptions"`
	Extensions    SlidingExtensions         `json:"extensions"`
}

// SlidingList is a list of rooms.
type SlidingList struct {
	SlidingWanted
	Ranges  [][2]int       `json:"ranges"`
	Range   *[2]int        `json:"range"`
	Filters SlidingFilters `json:"filters"`
}

// SlidingWanted is what the client wants to know of a room.
type SlidingWanted struct {
	RequiredState [][2]string `json:"required_state"`
	TimelineLimit int         `json:"timeline_limit"`
	IncludeHeroes *bool       `json:"include_heroes"`
}

// SlidingFilters says which rooms are in a list.
type SlidingFilters struct {
	Direct    *bool     `json:"is_dm"`
	Encrypted *bool     `json:"is_encrypted"`
	Invite    *bool     `json:"is_invite"`
	Invited   *bool     `json:"is_invited"` // since the merge
	Spaces    []string  `json:"spaces"`
	Types     []*string `json:"room_types"` // null for rooms without a type
	NotTypes  []*string `json:"not_room_types"`
	Name      string    `json:"room_name_like"`
	Tags      []string  `json:"tags"`
	NotTags   []string  `json:"not_tags"`
}

// SlidingExtensions is what the client asks for besides rooms.
type SlidingExtensions struct {
	ToDevice struct {
		Enabled bool   `json:"enabled"`
		Since   string `json:"since"`
		Limit   int    `json:"limit"`
	} `json:"to_device"`
	E2EE struct {
		Enabled bool `json:"enabled"`
	} `json:"e2ee"`
	AccountData    SlidingScope  `json:"account_data"`
	Receipts       SlidingScope  `json:"receipts"`
	Typing         SlidingScope  `json:"typing"`
	UnstableTyping *SlidingScope `json:"org.matrix.msc4508.typing"` // its name in the merged form

	Threads         SlidingThreads `json:"thread_subscriptions"` // MSC4308
	UnstableThreads SlidingThreads `json:"io.element.msc4308.thread_subscriptions"`
}

// SlidingThreads asks for what changed of the user's subscriptions to threads.
type SlidingThreads struct {
	Enabled bool `json:"enabled"`
	Limit   int  `json:"limit"` // 100 when 0
}

// SlidingScope is an extension for rooms: those in these lists, and of those that the client names. What is absent stands
// for all; "*" did before the merge.
type SlidingScope struct {
	Enabled bool     `json:"enabled"`
	Lists   []string `json:"lists"`
	Rooms   []string `json:"rooms"`
}

// SyncV4Request is sliding sync as it was merged (MSC4186).
type SyncV4Request struct {
	Pos           string                 `json:"pos"`
	Timeout       int64                  `json:"timeout"` // milliseconds
	SetPresence   string                 `json:"set_presence"`
	Connection    string                 `json:"conn_id"`
	Lists         map[string]*SyncV4List `json:"lists"`
	Subscriptions map[string]*SyncV4Room `json:"room_subscriptions"`
	Extensions    SlidingExtensions      `json:"extensions"`
}

// SyncV4List is a list of rooms.
type SyncV4List struct {
	SyncV4Room
	Range   *[2]int        `json:"range"`
	Filters SlidingFilters `json:"filters"`
}

// SyncV4Room is what the client wants to know of a room.
type SyncV4Room struct {
	TimelineLimit int `json:"timeline_limit"`
	RequiredState struct {
		Include     []SyncV4State `json:"include"`
		Exclude     []SyncV4State `json:"exclude"`
		LazyMembers bool          `json:"lazy_members"`
	} `json:"required_state"`
}

// SyncV4State stands for events of a state; nil matches everything.
type SyncV4State struct {
	Type     *string `json:"type"`
	StateKey *string `json:"state_key"`
}

// SlidingResponse is what is new for a connection, in either form.
type SlidingResponse struct {
	Pos        string                    `json:"pos"`
	Lists      map[string]SlidingCount   `json:"lists"`
	Rooms      map[id.Room]*SlidingRoom  `json:"rooms,omitempty"`
	Extensions SlidingExtensionsResponse `json:"extensions"`
}

// SlidingCount is how many rooms a list has.
type SlidingCount struct {
	Count int `json:"count"`
}

// SlidingRoom is what is new of a room. Of fields with two names the first is from before the merge.
type SlidingRoom struct {
	Initial    bool     `json:"initial,omitempty"`
	Membership string   `json:"membership,omitempty"`
	Lists      []string `json:"lists,omitempty"`

	Name          json.RawMessage   `json:"name,omitempty"` // null: it has none any more
	Avatar        json.RawMessage   `json:"avatar,omitempty"`
	Heroes        []SlidingHero     `json:"heroes,omitempty"`
	Direct        *bool             `json:"is_dm,omitempty"`
	InviteState   []json.RawMessage `json:"invite_state,omitempty"`
	StrippedState []json.RawMessage `json:"stripped_state,omitempty"`

	RequiredState    []json.RawMessage `json:"required_state,omitempty"`
	Timeline         []json.RawMessage `json:"timeline,omitempty"`
	TimelineEvents   []json.RawMessage `json:"timeline_events,omitempty"`
	UnstableExpanded bool              `json:"unstable_expanded_timeline,omitempty"`
	Expanded         bool              `json:"expanded_timeline,omitempty"`
	Limited          bool              `json:"limited,omitempty"`
	PrevBatch        string            `json:"prev_batch,omitempty"`
	Live             int               `json:"num_live,omitempty"`

	Joined        *int  `json:"joined_count,omitempty"`
	Invited       *int  `json:"invited_count,omitempty"`
	Notifications *int  `json:"notification_count,omitempty"`
	Highlights    *int  `json:"highlight_count,omitempty"`
	Bump          int64 `json:"bump_stamp,omitempty"`
}

// SlidingHero is somebody who gives a room its name.
type SlidingHero struct {
	User        id.User `json:"user_id"`
	DisplayName string  `json:"displayname,omitempty"`
	AvatarURL   string  `json:"avatar_url,omitempty"`
}

// SlidingExtensionsResponse is what there is besides rooms.
type SlidingExtensionsResponse struct {
	ToDevice *struct {
		NextBatch string            `json:"next_batch"`
		Events    []json.RawMessage `json:"events,omitempty"`
	} `json:"to_device,omitempty"`
	E2EE *struct {
		DeviceLists  *DeviceLists   `json:"device_lists,omitempty"`
		OneTimeKeys  map[string]int `json:"device_one_time_keys_count"`
		FallbackKeys []string       `json:"device_unused_fallback_key_types"`
	} `json:"e2ee,omitempty"`
	AccountData *struct {
		Global []json.RawMessage             `json:"global,omitempty"`
		Rooms  map[id.Room][]json.RawMessage `json:"rooms,omitempty"`
	} `json:"account_data,omitempty"`
	Receipts *SlidingEvents `json:"receipts,omitempty"`
	Typing   *SlidingEvents `json:"typing,omitempty"`
	Threads  *ThreadChanges `json:"io.element.msc4308.thread_subscriptions,omitempty"`
}

// SlidingEvents is an event for each room.
type SlidingEvents struct {
	Rooms map[id.Room]json.RawMessage `json:"rooms"`
}
