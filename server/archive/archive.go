// Package archive carries a whole server in one file: the backup.
//
// The file is a tar. Its members, in this order:
//
//	freehold-backup.json          what it is of: server name, position, schema, tables (Header)
//	files/signing.key ...         files of the data directory that cannot be made anew
//	tables/NAME/000001.jsonl.gz   the rows of a table, about a megabyte in each member
//	media/HASH                    a file that users uploaded, named by the SHA-256 of its bytes
//	manifest.json                 the SHA-256 of each of the others (Manifest); without it the file is not whole
//
// A row is a JSON array in the order of the table's columns: a number, a boolean, null, or a string; bytes that are no
// UTF-8 text are {"base64": "..."}. So a backup of one database engine restores into the other, and can be read with tar,
// gzip and jq when there is no Freehold at hand.
//
// Write makes an archive of a database that is in use, from one snapshot. Read goes through one and checks it. Restore
// makes a server of it. None holds more than a few megabytes, and 32 bytes for each uploaded file.
package archive

import (
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// format is the version of what is described above. A reader refuses a greater one.
const format = 1

// Names of members.
const (
	headerName   = "freehold-backup.json"
	filesDir     = "files/"
	tablesDir    = "tables/"
	mediaDir     = "media/"
	manifestName = "manifest.json"
)

// The sizes of members in bytes; an archive comes from outside.
const (
	chunkBytes  = 1 << 20   // of rows, before compression: a member is full when it has more
	maxChunk    = 256 << 20 // ... and cannot have more than this: no row is nearly as large
	maxFile     = 1 << 20
	maxHeader   = 16 << 20
	maxManifest = 256 << 20
)

// kept are the files of the data directory that an archive holds, where they are there. The database and the media are
// carried otherwise; the rest is made anew.
var kept = []string{"signing.key"}

// Header says what an archive is of.
type Header struct {
	Format     int               `json:"format"`
	Server     id.Server         `json:"server_name"`
	Program    string            `json:"program"` // version of the program that wrote it
	Created    time.Time         `json:"created"`
	Engine     string            `json:"engine"`   // of the database it was taken from; any can take it
	Position   sqldb.Pos         `json:"position"` // the last one in the snapshot
	Epochs     []sqldb.Epoch     `json:"epochs"`
	Migrations []sqldb.Migration `json:"migrations"`
	Tables     []sqldb.Table     `json:"tables"`
	Media      Total             `json:"media"` // what is to come
}

// Total counts things and their bytes.
type Total struct {
	Number int64 `json:"number"`
	Bytes  int64 `json:"bytes"`
}

func (t *Total) add(bytes int64) {
	t.Number++
	t.Bytes += bytes
}

// Manifest is the end of an archive. Media are counted rather than listed, as their names are their checksums; Digest is
// over all those names, in their order.
type Manifest struct {
	Members []Member         `json:"members"` // all but media and itself, in their order
	Rows    map[string]int64 `json:"rows"`    // by table
	Media   Total            `json:"media"`
	Digest  string           `json:"media_digest"`
	Missing []string         `json:"missing_media,omitempty"` // named in the database and not there when the backup was made
}

// Member is one member of the tar.
type Member struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  string `json:"sha256"`
}

// Summary is what was written or read.
type Summary struct {
	Header
	Rows    int64
	Files   Total    // media
	Missing []string // media that were named and not there
	Bytes   int64    // of the archive
}

// DamagedError says that a file is no whole archive.
type DamagedError struct{ What string }

func (e *DamagedError) Error() string {
	return "this is not a whole backup: " + e.What
}

func damaged(format string, args ...any) error {
	return &DamagedError{fmt.Sprintf(format, args...)}
}
