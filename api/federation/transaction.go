package federation

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/wake"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	maxEDUs        = 100      // Server-Server API, "Transactions"
	maxTransaction = 13 << 20 // bytes: what the field's servers take
	maxEDUBytes    = 512 << 10
)

// EDUHandler takes one ephemeral event of another server. A fault of that server's is for the log: the event is not worth more.
// With any other error the transaction is refused, and will be sent again.
type EDUHandler func(ctx context.Context, origin id.Server, content json.RawMessage) error

// Transactions: https://spec.matrix.org/v1.19/server-server-api/#transactions
func (a *API) transactionRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/send/{txnID}", Auth: route.Server, Limit: limit.Federation, Body: maxTransaction, Serve: route.JSON(a.transact)},
	}
}

type transactionRequest struct {
	TxnID string          `path:"txnID"`
	Body  json.RawMessage `body:"raw"`
}

// transactionResponse has for every event whose id is known how it was taken.
type transactionResponse struct {
	PDUs   map[id.Event]pduResult `json:"pdus"`
	Wakeup bool                   `json:"org.freehold.wakeup,omitempty"` // EDUs of package wake are understood
}

type pduResult struct {
	Error string `json:"error,omitempty"`
}

// transact takes in what another server sends. Its events are on disk when it is answered, and its ephemeral events are
// dealt with; what becomes of the events is seen later, and is not told.
func (a *API) transact(ctx context.Context, c *Call, r *transactionRequest) (*transactionResponse, error) {
	var said struct {
		PDUs []json.RawMessage `json:"pdus"`
		EDUs []json.RawMessage `json:"edus"`
	}
	if err := json.Unmarshal(r.Body, &said); err != nil {
		return nil, fault.New(fault.BadJSON, "pdus and edus have to be lists").Because(err)
	}
	if len(said.EDUs) > maxEDUs {
		return nil, fault.Newf(fault.TooLarge, "A transaction has at most %d EDUs", maxEDUs).WithStatus(http.StatusBadRequest)
	}
	return a.answers.once(ctx, answerKey{c.Origin, r.TxnID, sha256.Sum256(r.Body)}, func() (*transactionResponse, error) {
		var wg sync.WaitGroup
		sorted := a.sortEDUs(said.EDUs)
		failed := make([]error, len(sorted))
		for i, same := range sorted {
			wg.Go(func() { failed[i] = a.takeEDUs(ctx, c.Origin, same) })
		}
		results, err := a.Arrivals.Accept(ctx, c.Origin, said.PDUs)
		wg.Wait()
		if err := errors.Join(append(failed, err)...); err != nil {
			return nil, err
		}
		out := &transactionResponse{PDUs: make(map[id.Event]pduResult, len(results)), Wakeup: a.EDUs[wake.EDU] != nil}
		for e, why := range results {
			out.PDUs[e] = pduResult{reason(why)}
		}
		return out, nil
	})
}

// reason is what a server is told of an event that is not taken; "" for one that is.
func reason(err error) string {
	if err == nil {
		return ""
	}
	if f, is := errors.AsType[*fault.Fault](err); is {
		return f.Text
	}
	return "The event was not taken"
}

// edu is one ephemeral event, and who takes it.
type edu struct {
	Type    string          `json:"edu_type"`
	Content json.RawMessage `json:"content"`
	take    EDUHandler
}

// sortEDUs puts together those of a type, in their order, and leaves out what is malformed or nobody takes.
func (a *API) sortEDUs(raws []json.RawMessage) [][]edu {
	places := map[string]int{}
	var sorted [][]edu
	for _, raw := range raws {
		var e edu
		if len(raw) > maxEDUBytes || json.Unmarshal(raw, &e) != nil {
			continue
		}
		if e.take = a.EDUs[e.Type]; e.take == nil {
			continue
		}
		i, ok := places[e.Type]
		if !ok {
			i = len(sorted)
			places[e.Type] = i
			sorted = append(sorted, nil)
		}
		sorted[i] = append(sorted[i], e)
	}
	return sorted
}

func (a *API) takeEDUs(ctx context.Context, origin id.Server, edus []edu) error {
	for _, e := range edus {
		err := e.take(ctx, origin, e.Content)
		if f, is := errors.AsType[*fault.Fault](err); err != nil && (!is || f.Status >= http.StatusInternalServerError) {
			return err
		}
		if err != nil {
			a.Log.DebugContext(ctx, "an ephemeral event was not taken", "origin", origin, "type", e.Type, "cause", err)
		}
	}
	return nil
}

// answers remembers how transactions were answered, so that one that is repeated, because its answer was lost, is not done
// again (a server that begins to count anew after a restart sends another body). What is done twice after all does no harm:
// events are known, and messages to devices have ids.
type answers struct {
	mu    sync.Mutex              // guards the rest
	m     map[answerKey]*answerOf // bounded by maxAnswers
	order []answerKey             // bounded by maxAnswers: the oldest first
}

// limit: answers to transactions, in memory | %d of at most 5 KiB | the oldest is forgotten
const maxAnswers = 2000

type answerKey struct {
	origin id.Server
	txnID  string
	body   [sha256.Size]byte
}

// answerOf is set before done is closed.
type answerOf struct {
	done chan struct{}
	out  *transactionResponse
	err  error
}

// once runs fn unless it was run for the key before, and gives what that gave. An error is not remembered, nor is it another request's
// where it only says that nobody waits for that one any more.
func (s *answers) once(ctx context.Context, key answerKey, fn func() (*transactionResponse, error)) (*transactionResponse, error) {
	s.mu.Lock()
	for was := s.m[key]; was != nil; was = s.m[key] {
		s.mu.Unlock()
		select {
		case <-was.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !errors.Is(was.err, context.Canceled) {
			return was.out, was.err
		}
		s.mu.Lock()
	}
	mine := &answerOf{done: make(chan struct{}), err: errors.New("the transaction was not finished")}
	if s.m == nil {
		s.m = map[answerKey]*answerOf{}
	}
	if len(s.order) >= maxAnswers {
		delete(s.m, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
	s.m[key] = mine
	s.order = append(s.order, key)
	s.mu.Unlock()
	defer func() {
		if mine.err != nil {
			s.forget(key, mine)
		}
		close(mine.done)
	}()
	mine.out, mine.err = fn()
	return mine.out, mine.err
}

func (s *answers) forget(key answerKey, a *answerOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[key] == a {
		delete(s.m, key)
		s.order = slices.DeleteFunc(s.order, func(k answerKey) bool { return k == key })
	}
}
