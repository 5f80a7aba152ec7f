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
		sum, err := built.Hash()
		if err != nil {
			return err
		}
		hash = "sha256 " + sum
	}
	_, err = fmt.Fprintf(c.out, "freehold %s\nweb app %s\n", server.Version(), hash)
	return err
}
