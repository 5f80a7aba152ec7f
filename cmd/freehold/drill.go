package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"freehold.example/api/socket"
	"freehold.example/core/drill"
	"freehold.example/server"
)

const drillUsage = usage(`freehold drill [--for 30m] [--scope outside] [--detach]
       freehold drill status
       freehold drill stop
       freehold drill list
       freehold drill report [N] [--json|--html]
       freehold drill verify FILE [--key KEY]
The first cuts the running server off, by itself and for so long, while accounts of the drill's own try everything every few
seconds and everybody else is served as ever; then the way out opens again, whatever has become of this command or of the server.
  --for      how long, 10m unless told otherwise
  --scope    from what: outside, all-peers, names, time, or several with commas between them
  --detach   begin it, and do not wait for its end
stop opens the way out within a second; it needs nothing but the data directory. report shows the last report, or the one
before it (2), and so on; verify says whether a report is as the server has signed it.
Every one takes --data-dir DIR (or FREEHOLD_DATA_DIR, or FREEHOLD_CONFIG).`)

// rehearse is `freehold drill`.
func rehearse(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet("drill", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("data-dir", "", "")
	config := flags.String("config", "", "")
	length := flags.Duration("for", 10*time.Minute, "")
	scope := flags.String("scope", "outside", "")
	detach := flags.Bool("detach", false, "")
	asJSON := flags.Bool("json", false, "")
	asHTML := flags.Bool("html", false, "")
	key := flags.String("key", "", "")
	positional, err := parseMixed(flags, args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return drillUsage
		}
		return usage(err.Error() + "\n" + string(drillUsage))
	}
	name := ""
	if len(positional) > 0 {
		name, positional = positional[0], positional[1:]
	}
	if name == "verify" && len(positional) == 1 {
		return verifyReport(c, positional[0], *key, *dir, *config)
	}
	s, err := dialServer(c, *dir, *config)
	if err != nil {
		return usage(err.Error())
	}
	switch {
	case name == "" && len(positional) == 0:
		return startDrill(ctx, c, s, *length, *scope, *detach)
	case name == "status" && len(positional) == 0:
		var st drill.Status
		if err := s.call(ctx, "GET", "/drill", nil, &st); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, &st)
		}
		fmt.Fprintln(c.out, drillWords(&st))
		return nil
	case name == "stop" && len(positional) == 0:
		was, err := drill.Stop(s.dir)
		if err != nil {
			return err
		}
		if !was {
			return errors.New("this server is not cut off by a drill")
		}
		fmt.Fprintln(c.out, "The way out opens within a second.")
		return nil
	case name == "list" && len(positional) == 0:
		return listReports(c, s.dir)
	case name == "report" && len(positional) <= 1:
		return showReport(c, s.dir, positional, *asJSON, *asHTML)
	}
	return drillUsage
}

// startDrill begins a drill and waits for its end. Whoever ends this command does not end the drill.
func startDrill(ctx context.Context, c console, s *runningServer, length time.Duration, scope string, detach bool) error {
	if _, err := drill.ParseScope(scope); err != nil {
		return usage("--scope: " + err.Error())
	}
	var st drill.Status
	if err := s.call(ctx, "POST", "/drill", socket.DrillRequest{For: length, Scope: scope}, &st); err != nil {
		return err
	}
	id, phase := st.ID, drill.Idle
	for st.ID == id {
		if st.Phase != phase {
			phase = st.Phase
			fmt.Fprintln(c.out, drillWords(&st))
			if detach && phase != drill.Preparing {
				return nil
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			fmt.Fprintln(c.out, "The drill goes on; `freehold drill stop` ends it.")
			return nil
		}
		next := drill.Status{}
		if err := s.call(ctx, "GET", "/drill", nil, &next); err != nil {
			if ctx.Err() != nil {
				continue
			}
			return fmt.Errorf("the server does not answer: %w. Once it runs again it goes on with the drill until its end, and no longer", err)
		}
		st = next
	}
	if st.Last != id {
		if st.Failed == id && st.Trouble != "" {
			return errors.New("the drill came to nothing: " + st.Trouble)
		}
		return errors.New("the drill came to nothing; the server's log says why")
	}
	b, err := drill.Read(s.dir, id)
	if err != nil {
		return err
	}
	r, err := drill.Verify(b, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\n%s", r.String())
	if len(r.Surprises) > 0 {
		return errUnwell
	}
	return nil
}

// drillWords says how it goes.
func drillWords(st *drill.Status) string {
	switch st.Phase {
	case drill.Preparing:
		return "The accounts of the drill are made, and try everything once."
	case drill.Cutting:
		return fmt.Sprintf("Cut off (%s) until %s; %d journeys so far, %d with something that failed; %d attempts to go out refused.",
			st.Scope, time.UnixMilli(st.Ends).Format(time.TimeOnly), st.Rounds, st.Bad, st.Cut)
	case drill.Mending:
		return "The way out is open again; what waited is sent."
	case drill.Idle:
	}
	return "There is no drill."
}

func listReports(c console, dir string) error {
	all, err := drill.List(dir)
	if err != nil {
		return err
	}
	for i, id := range all {
		words := "cannot be read"
		if b, err := drill.Read(dir, id); err == nil {
			if r, err := drill.Verify(b, nil); r != nil {
				words = fmt.Sprintf("%s for %s: %s", r.Scope, (time.Duration(r.Cut) * time.Millisecond).Round(time.Second), r.Verdict())
				if err != nil {
					words = err.Error()
				}
			}
		}
		fmt.Fprintf(c.out, "%3d  %s  %s\n", i+1, id, words)
	}
	return nil
}

// showReport prints one of the reports that are kept.
func showReport(c console, dir string, positional []string, asJSON, asHTML bool) error {
	n := 1
	if len(positional) == 1 {
		var err error
		if n, err = strconv.Atoi(positional[0]); err != nil || n < 1 {
			return drillUsage
		}
	}
	all, err := drill.List(dir)
	if err != nil {
		return err
	}
	if n > len(all) {
		return fmt.Errorf("there are %d reports in %s", len(all), dir)
	}
	b, err := drill.Read(dir, all[n-1])
	if err != nil {
		return err
	}
	r, err := drill.Verify(b, nil)
	if err != nil {
		return fmt.Errorf("the report %s: %w", all[n-1], err)
	}
	switch {
	case asJSON:
		_, err = c.out.Write(b)
	case asHTML:
		var page []byte
		if page, err = r.HTML(b, reportsBefore(dir, all[n:])); err == nil {
			_, err = c.out.Write(page)
		}
	default:
		fmt.Fprint(c.out, r.String())
	}
	return err
}

// reportsBefore reads the reports that a page compares with.
func reportsBefore(dir string, ids []string) (earlier []*drill.Report) {
	const most = 24
	for _, id := range ids[:min(len(ids), most)] {
		if b, err := drill.Read(dir, id); err == nil {
			if r, err := drill.Verify(b, nil); err == nil {
				earlier = append(earlier, r)
			}
		}
	}
	return earlier
}

// verifyReport says whether a report is as it was signed, and by whom as far as that is known here.
func verifyReport(c console, file, key, dir, config string) error {
	b, err := os.ReadFile(file) //nolint:gosec // the operator names a file of his own
	if err != nil {
		return err
	}
	var known ed25519.PublicKey
	if key != "" {
		if known, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(key, "=")); err != nil || len(known) != ed25519.PublicKeySize {
			return usage("--key is the server's public key in base64")
		}
	}
	r, err := drill.Verify(b, known)
	if err != nil {
		return fmt.Errorf("%s does not verify: %w", file, err)
	}
	fmt.Fprintf(c.out, "This is the report of %s on its drill %s, as it was signed with %s.\n", r.Server, r.ID, r.Key)
	if known != nil {
		return nil
	}
	if s, err := dialServer(c, dir, config); err == nil {
		if own, err := server.ReadSigningKey(filepath.Join(s.dir, "signing.key"), r.Server); err == nil && own.Key == r.Key {
			if public, _ := own.Private.Public().(ed25519.PublicKey); base64.RawStdEncoding.EncodeToString(public) == r.Public {
				fmt.Fprintln(c.out, "That is the key of the server here.")
				return nil
			}
		}
	}
	fmt.Fprintf(c.out, "Whether that is the server's key is for you to compare: %s, as https://%s/_matrix/key/v2/server says.\n", r.Public, r.Server)
	return nil
}
