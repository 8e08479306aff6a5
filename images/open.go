package images

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// content is one image, or one index of images for several platforms, with the name that its file gives it.
type content struct {
	name     string
	artifact interface{ Digest() (v1.Hash, error) } // v1.Image or v1.ImageIndex
}

// open finds out what a path is and lists its images. The images read from the path until cleanup.
func open(path string) (contents []content, cleanup func(), err error) {
	cleanup = func() {}
	info, err := os.Stat(path)
	if err != nil {
		return nil, cleanup, &InputError{path, "can not be read: " + plain(err)}
	}
	if info.IsDir() {
		contents, err = openLayout(path, path)
		return contents, cleanup, err
	}
	scratch, err := os.MkdirTemp("", "automode-image-")
	if err != nil {
		return nil, cleanup, fmt.Errorf("making a scratch directory: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(scratch) }
	if contents, err = openArchive(path, scratch); err != nil {
		cleanup()
		return nil, func() {}, err
	}
	return contents, cleanup, nil
}

func plain(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// openArchive unpacks a tar archive: an OCI layout is read from the copy, what `docker save` wrote is read as such.
func openArchive(path, scratch string) ([]content, error) {
	if err := unpack(path, scratch); err != nil {
		return nil, err
	}
	if exists(filepath.Join(scratch, "index.json")) {
		return openLayout(scratch, path)
	}
	if exists(filepath.Join(scratch, "manifest.json")) {
		return openDocker(path)
	}
	return nil, &InputError{path, "is a tar archive but holds no image: neither index.json (OCI layout) nor manifest.json (docker save) is in it"}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func unpack(path, into string) error {
	reader, closer, err := decompressed(path)
	if err != nil {
		return err
	}
	defer closer()
	archive := tar.NewReader(reader)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) && entries > 0 {
			return nil
		}
		if err != nil {
			return &InputError{path, "is no tar archive (OCI layout or docker save, gzip or not): " + err.Error()}
		}
		target := filepath.Join(into, filepath.Clean("/"+header.Name))
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(target, 0o755)
		case tar.TypeReg:
			err = unpackFile(target, archive)
		}
		if err != nil {
			return fmt.Errorf("unpacking %s from %s: %w", header.Name, path, err)
		}
	}
}

func unpackFile(target string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// decompressed opens a file, through gzip when it is compressed.
func decompressed(path string) (io.Reader, func(), error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, &InputError{path, "can not be read: " + plain(err)}
	}
	closer := func() { _ = file.Close() }
	buffered := bufio.NewReader(file)
	if magic, _ := buffered.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered, closer, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		closer()
		return nil, nil, &InputError{path, "is a broken gzip file: " + err.Error()}
	}
	return unzipped, closer, nil
}

// openLayout lists the images of an OCI layout; shown is the path that messages name.
func openLayout(dir, shown string) ([]content, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, &InputError{shown, "is no OCI layout: " + plain(err)}
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, &InputError{shown, "has a broken index.json: " + err.Error()}
	}
	var contents []content
	for _, entry := range manifest.Manifests {
		c := content{name: layoutName(entry.Annotations)}
		switch {
		case entry.MediaType.IsIndex():
			c.artifact, err = presentPart(index, entry.Digest)
		case entry.MediaType.IsImage():
			c.artifact, err = index.Image(entry.Digest)
		default:
			continue
		}
		if err != nil {
			return nil, &InputError{shown, "holds a broken image " + entry.Digest.String() + ": " + err.Error()}
		}
		contents = append(contents, c)
	}
	if len(contents) == 0 {
		return nil, &InputError{shown, "is an OCI layout without an image"}
	}
	return contents, nil
}

// presentPart is an index of several platforms without those whose images are not in the file: what docker saves of an
// image names every platform and holds one.
func presentPart(layout v1.ImageIndex, digest v1.Hash) (v1.ImageIndex, error) {
	index, err := layout.ImageIndex(digest)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var missing []v1.Hash
	for _, entry := range manifest.Manifests {
		image, err := index.Image(entry.Digest)
		if err == nil {
			_, err = image.RawConfigFile()
		}
		if err != nil {
			missing = append(missing, entry.Digest)
		}
	}
	switch len(missing) {
	case 0:
		return index, nil
	case len(manifest.Manifests):
		return nil, errors.New("it has no platform's image")
	}
	return mutate.RemoveManifests(index, match.Digests(missing...)), nil
}

// layoutName prefers the full name that containerd and docker write over OCI's ref.name, which is often a bare tag.
func layoutName(annotations map[string]string) string {
	if full := annotations["io.containerd.image.name"]; full != "" {
		return full
	}
	if ref := annotations["org.opencontainers.image.ref.name"]; strings.ContainsAny(ref, "/:") {
		return ref
	}
	return ""
}

// openDocker lists the images of a `docker save` archive, one content per tag.
func openDocker(path string) ([]content, error) {
	opener := func() (io.ReadCloser, error) {
		reader, closer, err := decompressed(path)
		if err != nil {
			return nil, err
		}
		return readCloser{reader, closer}, nil
	}
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, &InputError{path, "has a broken manifest.json: " + err.Error()}
	}
	var contents []content
	for _, entry := range manifest {
		tags := entry.RepoTags
		if len(tags) == 0 && len(manifest) == 1 {
			tags = []string{""}
		}
		for _, tag := range tags {
			image, err := dockerImage(opener, tag)
			if err != nil {
				return nil, &InputError{path, "holds a broken image " + tag + ": " + err.Error()}
			}
			contents = append(contents, content{name: tag, artifact: image})
		}
	}
	if len(contents) == 0 {
		return nil, &InputError{path, "is a docker archive without an image that has a tag"}
	}
	return contents, nil
}

func dockerImage(opener tarball.Opener, tag string) (v1.Image, error) {
	if tag == "" {
		return tarball.Image(opener, nil)
	}
	parsed, err := name.NewTag(tag)
	if err != nil {
		return nil, fmt.Errorf("reading its name: %w", err)
	}
	return tarball.Image(opener, &parsed)
}

type readCloser struct {
	io.Reader
	close func()
}

func (r readCloser) Close() error { r.close(); return nil }
