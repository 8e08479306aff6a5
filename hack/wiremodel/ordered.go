package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// orderedMembers keeps the members of a structure in the order of the file, which is the order on the wire.
type orderedMembers []namedMember

type namedMember struct {
	sourceMember
	name string
}

// UnmarshalJSON reads a JSON object without losing the order of its keys.
func (o *orderedMembers) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		m := namedMember{name: fmt.Sprint(key)}
		if err := dec.Decode(&m.sourceMember); err != nil {
			return fmt.Errorf("reading member %q: %w", m.name, err)
		}
		*o = append(*o, m)
	}
	return nil
}
