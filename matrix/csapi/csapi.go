// Package csapi is the requests and responses of the Client-Server API as structs, one file per chapter of the
// specification. Fields tagged path or query are filled from the URL by base/route, the rest from the JSON body.
package csapi

// Empty is an answer with nothing to say: {}.
type Empty struct{}
