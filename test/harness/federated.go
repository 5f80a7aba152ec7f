package harness

import (
	"freehold.example/matrix/id"
	"freehold.example/test/address"
	"freehold.example/test/remote"
)

// Federated gives the settings of a server that speaks with others on this machine, for Start, On and Shared. Its name is the
// address of its federation listener. It believes, and shows, certificates of the tests' authority (test/remote), which are
// put into dir: such servers, and remotes, find each other by their names alone.
func Federated(dir string) (name id.Server, env []string, err error) {
	at, err := address.Free()
	if err != nil {
		return "", nil, err
	}
	name = id.Server(at)
	cert, key, ca, err := remote.Certificate(dir, name.Host())
	return name, []string{
		"FREEHOLD_SERVER_NAME=" + string(name), "FREEHOLD_FEDERATION=on", "FREEHOLD_LISTEN_FEDERATION=" + string(name),
		"FREEHOLD_TLS_CERT=" + cert, "FREEHOLD_TLS_KEY=" + key, "FREEHOLD_TLS_CA=" + ca,
	}, err
}
