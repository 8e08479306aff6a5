package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PauseName is the name of the sandbox image on machines of the local cloud.
const PauseName = "localhost/automode/pause:1"

// FromDirectory makes an image of one layer that holds a directory tree. Equal trees make equal images: owners are root
// and times are zero.
func FromDirectory(dir string, config v1.Config) (v1.Image, error) {
	return build(func(w *tar.Writer) error { return addTree(w, dir) }, config)
}

// Pause makes the sandbox image from the pause program's static binary.
func Pause(binary string) (v1.Image, error) {
	add := func(w *tar.Writer) error { return addFile(w, binary, "pause", 0o755) }
	return build(add, v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"})
}

func build(fill func(*tar.Writer) error, config v1.Config) (v1.Image, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(fill(w), w.Close()); err != nil {
		return nil, fmt.Errorf("packing image: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("packing image: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, fmt.Errorf("packing image: %w", err)
	}
	file := &v1.ConfigFile{Architecture: runtime.GOARCH, OS: "linux", Config: config}
	existing, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("packing image: %w", err)
	}
	file.RootFS = existing.RootFS
	return mutate.ConfigFile(image, file)
}

func addTree(w *tar.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode(info)})
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
		case entry.Type().IsRegular():
			return addFile(w, path, name, mode(info))
		default:
			return nil
		}
	})
}

// mode keeps the permissions and the sticky and set-user-id bits, as tar writes them.
func mode(info fs.FileInfo) int64 {
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return int64(info.Mode().Perm())
	}
	return header.Mode
}

func addFile(w *tar.Writer, path, name string, mode int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size(), ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}
