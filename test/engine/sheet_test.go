package engine

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// sheet prints a table in Markdown, each row as soon as it is known.
type sheet struct {
	w      io.Writer
	widths []int
}

// newSheet prints the head.
func newSheet(w io.Writer, title string, columns ...string) *sheet {
	s := &sheet{w: w}
	for _, c := range columns {
		s.widths = append(s.widths, max(len([]rune(c)), 5))
	}
	fmt.Fprintf(w, "\n%s\n\n", title)
	s.row(columns...)
	var line []string
	for _, n := range s.widths {
		line = append(line, strings.Repeat("-", n))
	}
	s.row(line...)
	return s
}

// row prints cells; those that are missing are empty.
func (s *sheet) row(cells ...string) {
	fmt.Fprint(s.w, "|")
	for i, width := range s.widths {
		cell := ""
		if i < len(cells) {
			cell = cells[i]
		}
		fmt.Fprintf(s.w, " %s%s |", cell, strings.Repeat(" ", max(0, width-len([]rune(cell)))))
	}
	fmt.Fprintln(s.w)
}

func duration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func dollars(price float64) string {
	switch {
	case price < 100:
		return fmt.Sprintf("%.2f", price)
	case price < 1000:
		return fmt.Sprintf("%.1f", price)
	}
	return fmt.Sprintf("%.0f", price)
}

func percent(share float64) string {
	if math.Abs(share) < 0.0005 {
		share = 0 // no minus before it
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

func times(ratio float64) string {
	if ratio < 10 {
		return fmt.Sprintf("%.1fx", ratio)
	}
	return fmt.Sprintf("%.0fx", ratio)
}

func count(n int) string { return fmt.Sprint(n) }
