package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// logLimit is the size at which a log is rotated, in bytes.
const logLimit = 8 << 20

// rotate moves the content of a log that has outgrown limit to path.1. The file
// itself stays, as the process writes to it on its own and must be able to when
// there is no supervisor. Lines written between copy and truncation are lost.
func rotate(path string, limit int64) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() < limit {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rotating log: %w", err)
	}
	from, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("rotating log: %w", err)
	}
	defer from.Close()
	to, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("rotating log: %w", err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("rotating log %s: %w", path, err)
	}
	if err := from.Truncate(0); err != nil {
		return fmt.Errorf("rotating log %s: %w", path, err)
	}
	return nil
}

// tailBytes is how much of a log's end LastLines looks at.
const tailBytes = 64 << 10

// LastLines returns up to n last lines of a log, oldest first, none where the
// log cannot be read.
func LastLines(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return nil
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(data) {
		lines = append(lines, string(bytes.TrimRight(line, "\n")))
	}
	return lines[max(0, len(lines)-n):]
}
