package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/durable"
	"freehold.example/core/account"
	"freehold.example/core/drill"
	"freehold.example/core/media"
	"freehold.example/core/outbox"
	"freehold.example/core/removal"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// openDrills makes what rehearses cuts, before anything goes out: a drill that a process before this one was in the middle of
// goes on from here.
func (s *Server) openDrills() (err error) {
	c := &s.config
	s.drills, err = drill.New(drill.Config{
		Dir: c.DataDir, Door: s.door, Signer: s.signer, Program: Version(), Log: c.Log,
		Budget: s.budgetView, Cast: cast{s}, Base: func() string { return "http://" + s.ownPlace.String() },
		Waiting: s.waiting, People: s.people5xx, Hold: s.clock.hold, Ours: s.ourConnection,
		Every: c.DrillEvery, For: c.DrillFor, Scope: c.DrillScope,
	})
	return err
}

// StopDrill ends the drill that goes on. Errors: M_NOT_FOUND.
func (s *Server) StopDrill() error { return s.drills.Stop() }

// waiting is what could not be sent to other servers yet, and how many are not reached.
func (s *Server) waiting(ctx context.Context) (queue, silent int, err error) {
	all, err := s.queues(ctx)
	for _, d := range all {
		if d.State == outbox.Waiting || d.State == outbox.CatchingUp {
			queue += d.Events + d.Rooms + int(d.Messages)
		}
	}
	return queue, s.peers.Silent(), err
}

// people5xx counts the requests of clients.
func (s *Server) people5xx() drill.People {
	answered, unreachable, failed := s.answers.Clients()
	return drill.People{Answered: answered, Unreachable: unreachable, Failed: failed}
}

// ourConnection says whether a connection that the door has not made is right all the same: one to the database, or within
// this machine.
func (s *Server) ourConnection(c dial.Stranger) bool {
	if c.Remote.Addr().IsLoopback() || c.Remote.Addr() == c.Local.Addr() {
		return true
	}
	u, err := url.Parse(s.config.DatabaseURL)
	if err != nil || s.config.DatabaseURL == "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	return strconv.Itoa(int(c.Remote.Port())) == port
}

// ownPlace is where a listener is reached from this machine.
func ownPlace(at net.Addr) netip.AddrPort {
	place, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return netip.AddrPort{}
	}
	if place.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), place.Port())
	}
	return netip.AddrPortFrom(place.Addr().Unmap().WithZone(""), place.Port())
}

// drillNames are the local parts of the accounts of drills. Nobody can register them.
var drillNames = []string{"_freehold_drill_1", "_freehold_drill_2"}

// cast makes the accounts of drills. They are the same each time, so that no closed accounts pile up, and a file says that they
// are the server's own.
type cast struct{ *Server }

// castFile is what that file says.
type castFile struct {
	Users []id.User `json:"users"`
	In    bool      `json:"in"` // they have entered and not left
}

func (c cast) path() string { return filepath.Join(c.config.DataDir, "drills", "cast.json") }

func (c cast) read() (f castFile, err error) {
	b, err := os.ReadFile(c.path())
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	return f, err
}

func (c cast) write(f castFile) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return durable.WriteFile(c.path(), b, 0o600)
}

// In implements drill.Cast.
func (c cast) In(context.Context) (bool, error) {
	f, err := c.read()
	return f.In, err
}

// Enter implements drill.Cast.
func (c cast) Enter(ctx context.Context, password string) (users [2]id.User, err error) {
	if n, err := c.accounts.Count(ctx); err != nil || n == 0 { // the first account is to be the administrator's
		return users, errors.Join(err, errors.New("there is no account yet: make one, and there is somebody to rehearse for"))
	}
	f, err := c.read()
	if err != nil {
		return users, err
	}
	for i, name := range drillNames {
		users[i] = id.NewUser(name, c.config.ServerName)
	}
	if len(f.Users) == 0 { // before the first time
		for _, user := range users {
			if _, err := c.accounts.Find(ctx, user); err == nil {
				return users, fmt.Errorf("the account %s is somebody's: drills need that name for one of their own", user)
			} else if !fault.Is(err, fault.NotFound) {
				return users, err
			}
		}
	}
	if err := c.write(castFile{Users: users[:], In: true}); err != nil {
		return users, err
	}
	for _, user := range users {
		if err := c.open(ctx, user, password); err != nil {
			return users, err
		}
	}
	return users, nil
}

// open makes one account, or opens it again.
func (c cast) open(ctx context.Context, user id.User, password string) error {
	a, err := c.accounts.Find(ctx, user)
	switch {
	case fault.Is(err, fault.NotFound):
		_, err = c.accounts.Register(ctx, account.RegisterRequest{Name: user.Localpart(), Password: password, NoLogin: true, Own: true})
		return err
	case err != nil:
		return err
	case a.Deactivated.IsZero():
		return c.accounts.ResetPassword(ctx, user, password, true)
	}
	return c.accounts.Reopen(ctx, user, password)
}

// Leave implements drill.Cast.
func (c cast) Leave(ctx context.Context, in id.Room) error {
	f, err := c.read()
	if err != nil || !f.In {
		return err
	}
	rooms := map[id.Room]bool{}
	if in != "" {
		rooms[in] = true
	}
	var errs []error
	for _, user := range f.Users {
		joined, err := c.rooms.Joined(ctx, user)
		errs = append(errs, err)
		for _, one := range joined {
			rooms[one] = true
		}
	}
	for one := range rooms {
		errs = append(errs, c.remove(ctx, one))
	}
	for _, user := range f.Users {
		errs = append(errs, c.clear(ctx, user))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.write(castFile{Users: f.Users})
}

// remove removes a room with everything in it.
func (c cast) remove(ctx context.Context, in id.Room) error {
	number, err := c.removals.Remove(ctx, room.Caller{User: id.NewUser(drillNames[0], c.config.ServerName)}, removal.RoomRequest{Room: in, Force: true})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	job, err := c.removals.Finish(ctx, removal.Room, number)
	if err == nil && job.Status == removal.Failed {
		err = fmt.Errorf("the room %s of the drill was not removed", in)
	}
	return err
}

// clear removes the files of an account and closes it.
func (c cast) clear(ctx context.Context, user id.User) error {
	a, err := c.accounts.Find(ctx, user)
	if fault.Is(err, fault.NotFound) || err == nil && !a.Deactivated.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	for {
		items, _, err := c.media.ItemsOf(ctx, user, "", false, 0, 500)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		ids := make([]media.ID, len(items))
		for i, item := range items {
			ids[i] = item.ID
		}
		gone, err := c.media.Delete(ctx, ids)
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			return fmt.Errorf("the files of %s cannot be deleted", user)
		}
	}
	return c.accounts.Deactivate(ctx, user, false)
}

// heldClock is the server's clock, which a drill of the scope time takes from whoever sets it: then it runs on by the machine's
// own oscillator alone.
type heldClock struct {
	next func() time.Time
	held atomic.Pointer[moment]
}

// moment is a time, and what the oscillator said then.
type moment struct {
	wall time.Time
	raw  time.Duration
}

func (c *heldClock) now() time.Time {
	if at := c.held.Load(); at != nil {
		return at.wall.Add(oscillator() - at.raw)
	}
	return c.next()
}

// hold is drill.Config.Hold.
func (c *heldClock) hold() (release func() time.Duration) {
	c.held.Store(&moment{c.next().Round(0), oscillator()})
	return func() time.Duration {
		free := c.now()
		c.held.Store(nil)
		return free.Sub(c.next().Round(0))
	}
}
