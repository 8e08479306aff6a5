package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/images"
)

func (a *app) imageCommand() *cobra.Command {
	parent := &cobra.Command{Use: "image", Short: "Bring container images into the local cloud"}
	var name string
	var out format
	cmd := &cobra.Command{
		Use:   "load FILE",
		Short: "Load an image from a file, so that it runs under its name without a network",
		Long: `Loads images from an OCI layout directory, the tar archive of one, or what docker save writes (gzip is fine). Machines ask the local
registry for every image first; what is not there is pulled from its own registry as usual.`,
		Example: `  docker save nginx:1.27 | gzip > nginx.tar.gz && automode image load nginx.tar.gz
  automode image load ./layout --name public.ecr.aws/nginx/nginx:1.27`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := a.home()
			if err != nil {
				return err
			}
			s, err := readSettings(dir)
			if err != nil {
				return err
			}
			loaded, err := images.Load(cmd.Context(), args[0], name, images.Target{Host: strings.TrimPrefix(s.endpoint(), "http://")})
			if err != nil {
				return imageFailure(err)
			}
			return out.print(a.Out, imageTable(loaded))
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name that manifests use, where the file says none or another one")
	out.addFlag(cmd)
	parent.AddCommand(cmd)
	return parent
}

// imageFailure gives an error of loading its kind.
func imageFailure(err error) error {
	var input *images.InputError
	switch {
	case errors.As(err, &input):
		return &Failure{ID: BadImage, Err: err}
	case isRefused(err):
		return &Failure{ID: CloudUnreachable, Err: err}
	}
	return err
}

func imageTable(loaded []images.Loaded) table {
	t := table{doc: loaded, columns: []column{{name: "IMAGE"}, {name: "SIZE"}, {name: "DIGEST", wide: true}}}
	for _, l := range loaded {
		t.rows = append(t.rows, []string{l.Name, fmt.Sprintf("%.1f MiB", float64(l.Bytes)/(1<<20)), l.Digest})
	}
	return t
}
