package server

import (
	"context"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/base/task"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// openServices reads the registrations of application services. Their senders have accounts from the first start with them
// on, as they act without registering (Application Service API, "Registration").
func (s *Server) openServices(ctx context.Context) (err error) {
	if s.services, err = appservice.Load(s.config.AppservicesDir, s.config.ServerName); err != nil {
		return err
	}
	for _, one := range s.services.All() {
		_, err := s.accounts.Register(ctx, account.RegisterRequest{Name: one.Sender.Localpart(), Service: true, NoLogin: true})
		if err != nil && !fault.Is(err, fault.UserInUse) {
			return fmt.Errorf("make the account of %s: %w", one.Sender, err)
		}
		s.config.Log.InfoContext(ctx, "application service", "id", one.ID, "sender", one.Sender)
	}
	if s.line, err = appservice.NewLine(s.door, s.config.Now); err != nil {
		return err
	}
	s.desk = appservice.NewDesk(s.services, s.line, s.config.Now)
	return nil
}

// mayInvite asks for who is not there yet, and whether who is there wants to be invited.
func (s *Server) mayInvite(ctx context.Context, inviter, user id.User) error {
	if s.desk.MayHave(user) {
		var known bool
		err := s.db.Read(ctx, func(tx *sqldb.Tx) (err error) {
			known, err = s.accounts.Exists(tx, user)
			return err
		})
		if err != nil {
			return err
		}
		if !known {
			if _, err := s.desk.User(ctx, user, s.services.Of(inviter)); err != nil {
				return err
			}
		}
	}
	return s.people.MayInvite(ctx, inviter, user)
}

// startServices starts to tell each service that has an address of its events.
func (s *Server) startServices(g *task.Group) error {
	metrics, err := appservice.NewMetrics(s.registry)
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range s.services.All() {
		if one.URL == nil {
			continue
		}
		queue := appservice.NewQueue(appservice.QueueConfig{
			DB: s.db, Bus: s.bus, Rooms: s.rooms, Ephemeral: s.ephemeral, Inbox: s.inbox, Keys: s.keys,
			Aliases: s.directory.AliasesOf, Line: s.line, Metrics: metrics, Now: s.config.Now, Log: s.config.Log,
		}, one)
		errs = append(errs, g.Go("application service "+one.ID, queue.Run))
	}
	return errors.Join(errs...)
}
