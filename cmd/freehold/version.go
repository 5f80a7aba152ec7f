package main

import (
	"fmt"

	"freehold.example/api/app"
	"freehold.example/server"
	"freehold.example/web"
)

// version prints what the program was built from, and the hash of the web app in it.
func version(c console) error {
	built, err := app.New(web.Files())
	if err != nil {
		return err
	}
	hash := "none: built without it"
	if built != nil {
		hash = "sha256 " + built.Hash()
	}
	_, err = fmt.Fprintf(c.out, "freehold %s\nweb app %s\n", server.Version(), hash)
	return err
}
