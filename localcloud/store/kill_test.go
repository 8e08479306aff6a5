package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKillLosesNothing kills a process in the middle of its writing and expects everything that it had acknowledged.
func TestKillLosesNothing(t *testing.T) {
	const env = "AUTOMODE_STORE_KILL_TEST"
	if path := os.Getenv(env); path != "" {
		writeForever(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "state.db")
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillLosesNothing$")
		cmd.Env = append(os.Environ(), env+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var acknowledged []string
		for lines.Scan() {
			if acknowledged = append(acknowledged, lines.Text()); len(acknowledged) == 20 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait() // killed: an error is what we want
		db := open(t, path)
		db.View(func(tx *Tx) error {
			for _, key := range acknowledged {
				if v, ok, err := Get[thing](tx, "things", key); !ok || err != nil || v.Name != key {
					t.Errorf("round %d: %s = %v, %v, %v", round, key, v, ok, err)
				}
			}
			return nil
		})
		db.Close()
	}
}

func writeForever(t *testing.T, path string) {
	db := open(t, path)
	for {
		var key string
		err := db.Update(func(tx *Tx) error {
			n, err := Next(tx, "things")
			if err != nil {
				return err
			}
			key = fmt.Sprint("key", n)
			return Put(tx, "things", key, thing{key})
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(key)
	}
}
