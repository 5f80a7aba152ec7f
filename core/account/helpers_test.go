package account

import (
	"encoding/hex"
	"net/netip"
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func hexMAC(secret string, r SharedRequest) string { return hex.EncodeToString(sharedMAC(secret, r)) }
