package ec2

import (
	"encoding/json"
	"time"
)

// tokenRow remembers what a call with a client token made.
type tokenRow struct {
	Request string // digest of the call's parameters
	Result  string
	Expires time.Time
}

// once makes f's change unless a call of the same operation with the same client token made it already; either way it
// returns f's result. The same token with other parameters is an error.
func (r *region) once(token, operation string, in any, f func(*txn) (string, error)) (result string, err error) {
	var digest string
	if token != "" {
		raw, err := json.Marshal(in)
		if err != nil {
			return "", err
		}
		digest = hexOf(string(raw), 32)
	}
	err = r.update(func(tx *txn) error {
		if token == "" {
			result, err = f(tx)
			return err
		}
		key := operation + "/" + token
		if t := r.tokens.get(key); t != nil && t.Expires.After(r.svc.now()) {
			if t.Request != digest {
				return errorf("IdempotentParameterMismatch", "The client token '%s' was already used with other parameters.", token)
			}
			result = t.Result
			return nil
		}
		if result, err = f(tx); err != nil {
			return err
		}
		r.tokens.put(tx, key, &tokenRow{Request: digest, Result: result, Expires: r.svc.now().Add(tokenValid)})
		return nil
	})
	return result, err
}
