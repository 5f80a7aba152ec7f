package federation

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestRepeatedTransaction: a transaction that is repeated while it is being dealt with gets the answer of the first, unless whoever sent
// that has hung up: then it is dealt with for itself.
func TestRepeatedTransaction(t *testing.T) {
	for name, leaves := range map[string]bool{"who sent it waits": false, "who sent it has left": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s answers
				first, leave := context.WithCancel(t.Context())
				defer leave()
				done, want := make(chan struct{}), new(transactionResponse)
				go func() {
					_, _ = s.once(first, answerKey{}, func() (*transactionResponse, error) {
						select {
						case <-first.Done():
							return nil, first.Err()
						case <-done:
							return want, nil
						}
					})
				}()
				synctest.Wait()
				times := 0
				go func() {
					synctest.Wait()
					if leaves {
						leave()
					} else {
						close(done)
					}
				}()
				got, err := s.once(t.Context(), answerKey{}, func() (*transactionResponse, error) {
					times++
					return want, nil
				})
				if err != nil || got != want || (times == 1) != leaves {
					t.Errorf("the answer is %v, %v; it was dealt with %d times more", got, err, times)
				}
			})
		})
	}
}
