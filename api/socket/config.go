package socket

// What the operator asks of the keeper of the configuration (server/keep), which answers on the same socket.

// NothingRequest asks for what there is one of.
type NothingRequest struct{}

// ConfigRequest is a new configuration: for /config/check its text alone.
type ConfigRequest struct {
	Text   string `json:"text"`
	Within int64  `json:"confirm_within_ms"`
	By     string `json:"by"`
	Why    string `json:"why"`
}

// WordResponse is what a confirmation begins with: the word, and the address of the new configuration at which to hand it in.
type WordResponse struct {
	Word string `json:"word"`
	At   string `json:"at"`
}

// RollbackRequest names an earlier configuration; 0 is the one before.
type RollbackRequest struct {
	Number int    `json:"number"`
	By     string `json:"by"`
	Why    string `json:"why"`
}
