// Command catalog builds compute/catalog/data/catalog.txt.gz from files with
// facts that were published by AWS, for a machine that cannot ask AWS itself:
//
//	go run ./hack/catalog -types F -offerings DIR -prices F -base F -o compute/catalog/data/catalog.txt.gz
//
// On a machine with credentials, `automode catalog refresh` asks AWS instead.
// compute/catalog/data/README.md says which files were used.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/automode-dev/automode/compute/catalog"
)

func main() {
	types := flag.String("types", "", "DescribeInstanceTypes answers as one JSON object by type name, may be gzipped")
	offerings := flag.String("offerings", "", "folder with availability-zone/ and availability-zone-id/, each with REGION.json.gz")
	prices := flag.String("prices", "", "on-demand and spot prices as JSON: region -> type -> {on_demand, spot}, may be gzipped")
	base := flag.String("base", "", "newer on-demand prices of us-east-1 as JSON: type -> price")
	day := flag.String("day", "", "day of the newest fact, YYYY-MM-DD")
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := run(*types, *offerings, *prices, *base, *day, *out); err != nil {
		fmt.Fprintln(os.Stderr, "catalog:", err)
		os.Exit(1)
	}
}

func run(types, offerings, prices, base, day, out string) error {
	source := &files{day: day, offeringsDir: offerings}
	if err := source.loadTypes(types); err != nil {
		return err
	}
	if err := source.loadPrices(prices, base); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := catalog.Refresh(context.Background(), source, &b); err != nil {
		return err
	}
	return os.WriteFile(out, b.Bytes(), 0o644)
}
