// Package media keeps files that users upload: it takes them in, gives them out, and makes thumbnails of pictures. Of files
// of other servers that are asked for it keeps copies for a while.
//
// Bytes live in base/blob under their hash, so that the same file is kept once; a row that names them is written only
// after they are durable. Media ids are random and cannot be guessed, for whoever knows one may read the file.
package media

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/lane"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

// Config is what this package works with, and the limits it keeps. A limit of 0 takes the default.
type Config struct {
	DB     *sqldb.DB
	Blobs  blob.Store
	Bus    *bus.Local
	Server id.Server
	Now    func() time.Time
	Log    *slog.Logger

	// Fetch asks another server for a file of its own, and lets it wait so long for one that is only announced; nil: files
	// of other servers are not to be had.
	Fetch func(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*peer.File, error)

	// limit: one file | 100 MiB | 413
	// limit: files of one user | 10 GiB, 100,000 files | 403
	// limit: files of all users | 200 GiB | 403
	// limit: pictures kept for previews | 1 GiB | no picture
	// limit: copies of other servers' files | a tenth of the files, 90 days | the oldest go
	// limit: thumbnails on disk | a tenth of the files | given out and not kept; a cleaning drops half
	// limit: uploads that were announced, of one user | 20 | 429
	// limit: thumbnails made at once | 2, of pictures of at most 40,000,000 pixels | the others wait
	MaxUpload     int64 // bytes of one file; 100 MiB
	MaxUser       int64 // bytes of all files of one user; 10 GiB
	MaxTotal      int64 // bytes of all files of all users; 200 GiB
	MaxUserFiles  int64 // files of one user; 100,000
	MaxBorrowed   int64 // bytes of all that Borrow keeps; 1 GiB
	MaxRemote     int64 // bytes of all copies of other servers' files; a tenth of MaxTotal
	MaxThumbnails int64 // bytes of all thumbnails, which are made anew when they are gone; a tenth of MaxTotal
	MaxPending    int64 // ids one user may have reserved without uploading; 20
	MaxPixels     int64 // pixels of a picture that thumbnails are made of; 40 million
	MaxAtOnce     int   // thumbnails made at the same time; 2
}

// Check names the limit that is wrong.
func (c Config) Check() error {
	for name, n := range map[string]int64{
		"max_upload": c.MaxUpload, "max_user": c.MaxUser, "max_total": c.MaxTotal, "max_user_files": c.MaxUserFiles,
		"max_borrowed": c.MaxBorrowed, "max_remote": c.MaxRemote, "max_thumbnails": c.MaxThumbnails,
		"max_pending": c.MaxPending, "max_pixels": c.MaxPixels, "max_at_once": int64(c.MaxAtOnce),
	} {
		if n < 0 {
			return fmt.Errorf("%s: %d is negative", name, n)
		}
	}
	return nil
}

// Media is the media of one server. Its methods may be called from any goroutine.
type Media struct {
	Config
	making chan struct{} // a slot for each thumbnail being made, bounded by MaxAtOnce
	large  sync.Mutex    // held by the one large picture that is in memory
	coming coming
	asked  lane.Lanes[ID] // copies that are being fetched

	cleaning sync.Mutex              // held by Clean, guards suspects
	suspects map[blob.Hash]time.Time // bounded by maxSuspects: blobs that nothing referred to when Clean last looked, and when each was put
}

// New makes a Media.
func New(c Config) (*Media, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	for _, limit := range []struct {
		set   *int64
		value int64
	}{
		{&c.MaxUpload, 100 << 20},
		{&c.MaxUser, 10 << 30},
		{&c.MaxTotal, 200 << 30},
		{&c.MaxUserFiles, 100_000},
		{&c.MaxBorrowed, 1 << 30},
		{&c.MaxPending, 20},
		{&c.MaxPixels, 40_000_000},
	} {
		if *limit.set == 0 {
			*limit.set = limit.value
		}
	}
	if c.MaxRemote == 0 {
		c.MaxRemote = max(c.MaxTotal/10, 1)
	}
	if c.MaxThumbnails == 0 {
		c.MaxThumbnails = max(c.MaxTotal/10, 1)
	}
	if c.MaxAtOnce == 0 {
		c.MaxAtOnce = 2
	}
	return &Media{Config: c, making: make(chan struct{}, c.MaxAtOnce), coming: coming{bytes: map[purse]int64{}}}, nil
}

// ID is a media id of this server: the last part of an mxc URI.
type ID string

// idBytes of randomness cannot be guessed: 24 bytes are 32 characters.
const idBytes = 24

// maxID is the longest media id that is taken from outside; other servers make their own kinds.
const maxID = 255

// newID never begins with "-" or "_", which people lose when they copy.
func newID() ID {
	var b [idBytes]byte
	for {
		rand.Read(b[:])
		if s := base64.RawURLEncoding.EncodeToString(b[:]); s[0] != '-' && s[0] != '_' {
			return ID(s)
		}
	}
}

// ParseID checks a media id from outside: letters, digits, "_" and "-" alone, so that it can be no path
// (https://spec.matrix.org/v1.18/client-server-api/#content-repo-security-considerations).
func ParseID(s string) (ID, error) {
	if s == "" || len(s) > maxID || strings.Trim(s, idAlphabet) != "" {
		return "", errors.New("malformed media id")
	}
	return ID(s), nil
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// URI is the mxc URI of a media id of this server.
func (m *Media) URI(i ID) string { return "mxc://" + string(m.Server) + "/" + string(i) }

// File is an open file. Close it.
type File struct {
	io.ReadSeekCloser
	Hash        blob.Hash
	Size        int64  // bytes
	ContentType string // as it was uploaded
	Name        string // as it was uploaded, or ""
	Created     time.Time
}

func (m *Media) open(ctx context.Context, hash string, f File) (*File, error) {
	h, err := blob.ParseHash(hash)
	if err != nil {
		return nil, fmt.Errorf("bug: media row: %w", err)
	}
	body, info, err := m.Blobs.Open(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	f.ReadSeekCloser, f.Hash, f.Size = body, h, info.Size
	return &f, nil
}
