// Package blob keeps content under the SHA-256 hash of its bytes: the same bytes twice are one blob.
//
// Store is the contract; blobtest checks an implementation against it. Files is the one there is.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Hash names a blob: the SHA-256 of its bytes.
type Hash [sha256.Size]byte

// ParseHash reads the 64 lower-case hexadecimal digits that String writes, and nothing else.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("blob: a hash has %d digits, not %d", 2*len(h), len(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("blob: malformed hash: %w", err)
	}
	if h.String() != s {
		return Hash{}, errors.New("blob: malformed hash: upper-case digits")
	}
	return h, nil
}

// String is the hash as 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

var (
	// ErrNotFound says that there is no blob with this hash.
	ErrNotFound = errors.New("blob: not found")
	// ErrTooLarge says that the content has more bytes than Put was told to take.
	ErrTooLarge = errors.New("blob: too large")
)

// Info describes a blob.
type Info struct {
	Hash Hash
	Size int64     // bytes
	Put  time.Time // when these bytes were last put; it grows with each time, whatever the clock does
}

// Store keeps blobs. All methods may be called by many goroutines at once.
type Store interface {
	// Put reads r to its end and keeps the bytes. When it returns without an error they are on stable storage,
	// also when they were there before. Content of more than limit bytes is ErrTooLarge, and no more than limit+1
	// bytes are read. An error, of r too, leaves nothing behind that Walk or Open would show.
	Put(ctx context.Context, r io.Reader, limit int64) (Info, error)

	// Open reads a blob from its start, or gives ErrNotFound. What was opened can be read to its end even when it is
	// deleted meanwhile.
	Open(ctx context.Context, h Hash) (io.ReadSeekCloser, Info, error)

	// Stat describes a blob, or gives ErrNotFound.
	Stat(ctx context.Context, h Hash) (Info, error)

	// Delete removes a blob that has not been put since before, and says whether it did. One that was put since, or
	// that is not there, is left alone without an error; so is every one during a Hold.
	//
	// So that nothing that is referred to can be deleted, cleaning up goes: note the time, list with Walk, keep
	// what any reference names, Delete the rest with a time well before the noted one. A Put in between wins.
	Delete(ctx context.Context, h Hash, before time.Time) (bool, error)

	// Hold makes Delete leave everything alone until release is called, so that what is listed now can be read later.
	Hold() (release func())

	// Walk calls fn for every blob, in the order of the hashes, until fn gives an error, which it returns. Blobs put
	// or deleted during the walk may be shown or not.
	Walk(ctx context.Context, fn func(Info) error) error
}
