// Package web holds the built web app, which `make build` puts into dist (web/build.sh). It imports nothing.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the built app: each file as it is, or in its place file.br and file.gz. It is empty but for a hidden file in a
// program that was built without the app.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}
