package cli

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress prints one line per step with the time it took. On a terminal a line shows what is being waited for until the
// step ends; elsewhere only finished steps are printed.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time
}

func (a *app) progress() *progress {
	if a.quiet {
		return &progress{out: io.Discard, now: time.Now}
	}
	file, ok := a.Err.(*os.File)
	return &progress{out: a.Err, terminal: ok && isTerminal(file), now: time.Now}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// step runs one step. The function may say what it waits for, and returns the text of the finished line.
func (p *progress) step(doing string, run func(waiting func(string)) (string, error)) error {
	start := p.now()
	show := func(what string) {
		if p.terminal {
			fmt.Fprintf(p.out, "\r\033[K   %s (%.0fs)", what, p.now().Sub(start).Seconds())
		}
	}
	show(doing)
	done, err := run(func(what string) { show(doing + ": " + what) })
	if p.terminal {
		fmt.Fprint(p.out, "\r\033[K")
	}
	took := p.now().Sub(start).Seconds()
	if err != nil {
		fmt.Fprintf(p.out, "failed  %-58s %6.1fs\n", doing, took)
		return err
	}
	fmt.Fprintf(p.out, "ok      %-58s %6.1fs\n", done, took)
	return nil
}

func (p *progress) say(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }
