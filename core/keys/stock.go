package keys

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Stock is what a device still has for others to claim; every sync tells the device.
type Stock struct {
	Counts         map[string]int // unclaimed one-time keys by algorithm
	UnusedFallback []string       // algorithms with a fallback key that was never given out, in order; never nil
}

// sqlStock reads two short index ranges, so sync can afford it each time.
const sqlStock = `SELECT algorithm, held FROM one_time_count WHERE user_id = $1 AND device_id = $2 AND held > 0
	UNION ALL
	SELECT algorithm, -1 FROM fallback_key WHERE user_id = $1 AND device_id = $2 AND used = FALSE
	ORDER BY 1`

// Stock reads what a device has left. The algorithm that all clients use is always in Counts: some take a missing count
// for "no news" rather than for zero, and would never upload again. What is returned is shared and must not be changed.
func (k *Keys) Stock(tx *sqldb.Tx, user id.User, device id.Device) (Stock, error) {
	of := owner{user, device}
	if s, ok := k.stocks.Get(of, tx.Pos()); ok {
		return s, nil
	}
	s, err := readStock(tx, user, device)
	if err == nil {
		k.stocks.Put(of, tx.Pos(), s)
	}
	return s, err
}

func readStock(tx *sqldb.Tx, user id.User, device id.Device) (Stock, error) {
	s := Stock{Counts: map[string]int{"signed_curve25519": 0}, UnusedFallback: []string{}}
	rows, err := tx.Query(sqlStock, user, device)
	if err != nil {
		return Stock{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var algorithm string
		var held int
		if err := rows.Scan(&algorithm, &held); err != nil {
			return Stock{}, err
		}
		if held < 0 {
			s.UnusedFallback = append(s.UnusedFallback, algorithm)
		} else {
			s.Counts[algorithm] = held
		}
	}
	return s, rows.Err()
}
