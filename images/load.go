package images

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/automode-dev/automode/localcloud/registry"
)

// Target is the registry that images are loaded into.
type Target struct {
	Host      string            // address:port
	Transport http.RoundTripper // default http.DefaultTransport
}

// Loaded tells what Load has put into the registry.
type Loaded struct {
	Name   string `json:"name"` // as a manifest refers to it
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"` // of compressed layers
}

// Load pushes the images of a file or directory under the name that manifests use, such as nginx:1.27 or
// public.ecr.aws/nginx/nginx. Without a name every image keeps the one that the file gives it. An *InputError says what is wrong with
// the file or the name.
func Load(ctx context.Context, path, as string, to Target) ([]Loaded, error) {
	contents, cleanup, err := open(path)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	if as != "" {
		if contents, err = renamed(path, contents, as); err != nil {
			return nil, err
		}
	}
	var loaded []Loaded
	for _, c := range contents {
		if c.name == "" {
			return loaded, &InputError{path, "holds an image without a name: say which name it is to have"}
		}
		one, err := push(ctx, c, to)
		if err != nil {
			return loaded, err
		}
		loaded = append(loaded, one)
	}
	return loaded, nil
}

// renamed gives the one image of a file another name.
func renamed(path string, contents []content, as string) ([]content, error) {
	distinct := map[v1.Hash]content{}
	var names []string
	for _, c := range contents {
		digest, err := c.artifact.Digest()
		if err != nil {
			return nil, &InputError{path, "holds a broken image: " + err.Error()}
		}
		distinct[digest] = c
		names = append(names, c.name)
	}
	if len(distinct) != 1 {
		return nil, &InputError{path, fmt.Sprintf("holds %d images (%s): only one can be called %s", len(distinct), strings.Join(names, ", "), as)}
	}
	only := contents[0]
	only.name = as
	return []content{only}, nil
}

// Push puts one image into the registry under the name that manifests use.
func Push(ctx context.Context, image v1.Image, as string, to Target) (Loaded, error) {
	return push(ctx, content{name: as, artifact: image}, to)
}

func push(ctx context.Context, c content, to Target) (Loaded, error) {
	reference, err := name.ParseReference(c.name)
	if err != nil {
		return Loaded{}, &InputError{c.name, "is not an image name: " + err.Error()}
	}
	target, err := targetOf(reference, to)
	if err != nil {
		return Loaded{}, err
	}
	options := []remote.Option{remote.WithContext(ctx)}
	if to.Transport != nil {
		options = append(options, remote.WithTransport(to.Transport))
	}
	if index, ok := c.artifact.(v1.ImageIndex); ok {
		err = remote.WriteIndex(target, index, options...)
	} else {
		err = remote.Write(target, c.artifact.(v1.Image), options...)
	}
	if err != nil {
		return Loaded{}, fmt.Errorf("loading image %s into registry %s: %w", reference, to.Host, err)
	}
	digest, err := c.artifact.Digest()
	if err != nil {
		return Loaded{}, fmt.Errorf("reading the digest of image %s: %w", reference, err)
	}
	return Loaded{Name: Familiar(reference), Digest: digest.String(), Bytes: layerBytes(c.artifact)}, nil
}

// targetOf is where the registry keeps an image: below the name of the image's own registry.
func targetOf(reference name.Reference, to Target) (name.Reference, error) {
	repository := reference.Context()
	full := to.Host + "/" + registry.Host(repository.RegistryStr()) + "/" + repository.RepositoryStr()
	separator := ":"
	if _, ok := reference.(name.Digest); ok {
		separator = "@"
	}
	target, err := name.ParseReference(full+separator+reference.Identifier(), name.Insecure)
	if err != nil {
		return nil, &InputError{reference.String(), "can not be kept in the local registry: " + err.Error()}
	}
	return target, nil
}

// Familiar writes a reference as people do: without Docker's registry in front.
func Familiar(reference name.Reference) string {
	text := reference.Name()
	text = strings.TrimPrefix(text, "index.docker.io/")
	return strings.TrimPrefix(text, "library/")
}

func layerBytes(artifact any) (total int64) {
	image, ok := artifact.(v1.Image)
	if !ok {
		return 0
	}
	layers, err := image.Layers()
	if err != nil {
		return 0
	}
	for _, layer := range layers {
		if size, err := layer.Size(); err == nil {
			total += size
		}
	}
	return total
}

// InputError says what is wrong with a file or a name that a person gave.
type InputError struct {
	Input, Problem string
}

func (e *InputError) Error() string { return e.Input + " " + e.Problem }
