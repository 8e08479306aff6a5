package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// table is what a verb prints: rows for people, the same facts as a document for programs.
type table struct {
	columns []column
	rows    [][]string
	doc     any // what -o json and -o yaml print; a documented contract
}

type column struct {
	name string
	wide bool // only with -o wide
}

// format is the value of -o.
type format string

func (f *format) addFlag(cmd *cobra.Command) {
	*f = "table"
	cmd.Flags().VarP(f, "output", "o", "output format: table, wide, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "wide", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }

func (f *format) Set(value string) error {
	switch value {
	case "table", "wide", "json", "yaml":
		*f = format(value)
		return nil
	}
	return fmt.Errorf("unknown format %q: use table, wide, json or yaml", value)
}

// print writes the table in the format.
func (f format) print(out io.Writer, t table) error {
	switch f {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(t.doc)
	case "yaml":
		data, err := yaml.Marshal(t.doc)
		if err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
		_, err = out.Write(data)
		return err
	}
	return t.write(out, f == "wide")
}

func (t table) write(out io.Writer, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	line := func(cell func(i int) string) {
		var cells []string
		for i, c := range t.columns {
			if wide || !c.wide {
				cells = append(cells, cell(i))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line(func(i int) string { return t.columns[i].name })
	for _, row := range t.rows {
		line(func(i int) string { return row[i] })
	}
	return w.Flush()
}
