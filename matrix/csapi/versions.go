package csapi

// VersionsRequest is GET /versions.
type VersionsRequest struct{}

// VersionsResponse lists what the server can do, for clients that have not signed in.
type VersionsResponse struct {
	Versions         []string        `json:"versions"`
	UnstableFeatures map[string]bool `json:"unstable_features"`
}

// CapabilitiesRequest is GET /capabilities.
type CapabilitiesRequest struct{}

// CapabilitiesResponse is GET /capabilities; the keys of the inner maps are capability names.
type CapabilitiesResponse struct {
	Capabilities map[string]any `json:"capabilities"`
}

// Enabled is a capability that is on or off.
type Enabled struct {
	Enabled bool `json:"enabled"`
}

// RoomVersions is the capability m.room_versions.
type RoomVersions struct {
	Default   string            `json:"default"`
	Available map[string]string `json:"available"` // version -> "stable" or "unstable"
}
