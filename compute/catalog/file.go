package catalog

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The file is gzipped text in sections, each a table of tab-separated words:
//
//	automode-catalog 1 <day>
//	[regions]    name, then zone=id for each zone
//	[types]      a header, then one row per type (see columns)
//	[offerings]  type, then per region the zones as a hexadecimal bit mask
//	[prices]     type, then per region dollars per hour, "~" before an estimate
//	[spot]       type, then per region the discount in per cent
//
// An empty word means none. Same content, same bytes.
const magic = "automode-catalog 1 "

// Write stores the catalog so that Read finds it again.
func (c *Catalog) Write(w io.Writer) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compressing the catalog: %w", err)
	}
	b := bufio.NewWriter(zw)
	fmt.Fprintf(b, "%s%s\n[regions]\n", magic, c.updated)
	for _, r := range c.regions {
		row := []string{r.Name}
		for _, z := range r.Zones {
			row = append(row, z.Name+"="+z.ID)
		}
		writeRow(b, row)
	}
	c.writeTypes(b)
	c.writeMatrix(b, "offerings", func(r, t int) string {
		if c.offered[r][t] == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(c.offered[r][t]), 16)
	})
	c.writeMatrix(b, "prices", func(r, t int) string {
		if c.estimated[r][t] {
			return "~" + formatFloat(c.onDemand[r][t])
		}
		return formatFloat(c.onDemand[r][t])
	})
	c.writeMatrix(b, "spot", func(r, t int) string { return formatInt(int64(c.spot[r][t])) })
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the catalog: %w", err)
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("writing the catalog: %w", err)
	}
	return nil
}

func (c *Catalog) writeTypes(b *bufio.Writer) {
	fmt.Fprintln(b, "[types]")
	row := make([]string, len(columns))
	for i, col := range columns {
		row[i] = col.name
	}
	writeRow(b, row)
	for t := range c.types {
		for i, col := range columns {
			row[i] = col.get(&c.types[t])
		}
		writeRow(b, row)
	}
}

func (c *Catalog) writeMatrix(b *bufio.Writer, section string, cell func(r, t int) string) {
	fmt.Fprintf(b, "[%s]\n", section)
	for t := range c.types {
		row := []string{c.types[t].Name}
		empty := true
		for r := range c.regions {
			word := cell(r, t)
			empty = empty && word == ""
			row = append(row, word)
		}
		if !empty {
			writeRow(b, row)
		}
	}
}

func writeRow(b *bufio.Writer, words []string) {
	b.WriteString(strings.TrimRight(strings.Join(words, "\t"), "\t"))
	b.WriteByte('\n')
}

// Read reads a catalog that Write wrote.
func Read(r io.Reader) (*Catalog, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading a catalog: not a gzip file: %w", err)
	}
	data, err := io.ReadAll(zr)
	if err != nil {
		return nil, fmt.Errorf("reading a catalog: %w", err)
	}
	p := &parser{c: &Catalog{region: map[string]int{}, byName: map[string]int{}}}
	line := 0
	for text := string(data); text != ""; {
		var row string
		row, text, _ = strings.Cut(text, "\n")
		line++
		if err := p.row(line, row); err != nil {
			return nil, fmt.Errorf("reading a catalog: line %d: %w", line, err)
		}
	}
	if len(p.c.types) == 0 || len(p.c.regions) == 0 {
		return nil, fmt.Errorf("reading a catalog: %d regions and %d types, want some of each", len(p.c.regions), len(p.c.types))
	}
	return p.c, nil
}

// parser takes the rows of the file one by one.
type parser struct {
	c       *Catalog
	section string
	header  []column
}

func (p *parser) row(line int, row string) error {
	switch {
	case line == 1:
		day, ok := strings.CutPrefix(row, magic)
		if !ok {
			return fmt.Errorf("first line %.40q is not %q", row, magic)
		}
		p.c.updated = day
		return nil
	case strings.HasPrefix(row, "["):
		p.section = row
		if row == "[offerings]" {
			p.c.allocate()
		}
		return nil
	}
	switch p.section {
	case "[regions]":
		return p.regionRow(split(row, "\t"))
	case "[types]":
		return p.typeRow(row)
	case "[offerings]":
		return p.matrixRow(row, func(r, t int, word string) error {
			mask, err := strconv.ParseUint(word, 16, 8)
			p.c.offered[r][t] = uint8(mask)
			return err
		})
	case "[prices]":
		return p.matrixRow(row, func(r, t int, word string) (err error) {
			p.c.estimated[r][t] = word[0] == '~'
			p.c.onDemand[r][t], err = strconv.ParseFloat(strings.TrimPrefix(word, "~"), 64)
			return err
		})
	case "[spot]":
		return p.matrixRow(row, func(r, t int, word string) error {
			discount, err := strconv.ParseUint(word, 10, 8)
			p.c.spot[r][t] = uint8(discount)
			return err
		})
	}
	return nil // a section of a newer writer
}

func (p *parser) regionRow(words []string) error {
	region := Region{Name: words[0]}
	for _, w := range words[1:] {
		name, id, ok := strings.Cut(w, "=")
		if !ok {
			return fmt.Errorf("zone %q of region %s has no id", w, region.Name)
		}
		region.Zones = append(region.Zones, Zone{Name: name, ID: id, Region: region.Name})
	}
	if len(region.Zones) > 8 {
		return fmt.Errorf("region %s has %d zones, at most 8 fit", region.Name, len(region.Zones))
	}
	p.c.region[region.Name] = len(p.c.regions)
	p.c.regions = append(p.c.regions, region)
	return nil
}

func (p *parser) typeRow(row string) error {
	if p.header == nil {
		known := map[string]column{}
		for _, col := range columns {
			known[col.name] = col
		}
		for _, name := range strings.Split(row, "\t") {
			p.header = append(p.header, known[name])
		}
		return nil
	}
	var t Type
	for i := 0; row != "" && i < len(p.header); i++ {
		var word string
		word, row, _ = strings.Cut(row, "\t")
		if word == "" || p.header[i].set == nil {
			continue
		}
		if err := p.header[i].set(&t, word); err != nil {
			return fmt.Errorf("type %q: column %s: %w", t.Name, p.header[i].name, err)
		}
	}
	p.c.byName[t.Name] = len(p.c.types)
	p.c.types = append(p.c.types, t)
	return nil
}

func (p *parser) matrixRow(row string, set func(r, t int, word string) error) error {
	name, rest, _ := strings.Cut(row, "\t")
	t, ok := p.c.byName[name]
	if !ok {
		return fmt.Errorf("%s of unknown type %q", p.section, name)
	}
	for r := 0; rest != "" && r < len(p.c.regions); r++ {
		var word string
		word, rest, _ = strings.Cut(rest, "\t")
		if word == "" {
			continue
		}
		if err := set(r, t, word); err != nil {
			return fmt.Errorf("%s of %s in %s: %w", p.section, name, p.c.regions[r].Name, err)
		}
	}
	return nil
}

// allocate makes the region by type tables once both are known.
func (c *Catalog) allocate() {
	for range c.regions {
		c.offered = append(c.offered, make([]uint8, len(c.types)))
		c.onDemand = append(c.onDemand, make([]float64, len(c.types)))
		c.estimated = append(c.estimated, make([]bool, len(c.types)))
		c.spot = append(c.spot, make([]uint8, len(c.types)))
	}
}
