package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/jsonmessage"
)

// dockerfile of a node. The data folder comes from the context because
// nothing in an empty image could make it, and it belongs to the node's user.
// The label is first, so that a build which is broken off leaves nothing
// without an owner.
const dockerfile = `FROM scratch
LABEL %s
COPY --chown=65532:65532 root/ /
USER 65532:65532
ENTRYPOINT ["/mockehr"]
`

const (
	containerData = "/data"
	nodeUser      = 65532
)

// Prepare makes the image: another living run's, if it was made of the same
// binary, else a new one.
func (d *docker) Prepare(ctx context.Context) error {
	_, err := d.nodeImage(ctx)
	return err
}

// nodeImage is the tag of the image that nodes run from.
func (d *docker) nodeImage(ctx context.Context) (string, error) {
	d.prepare.Lock()
	defer d.prepare.Unlock()
	if d.image != "" {
		return d.image, nil
	}
	if err := d.begin(); err != nil {
		return "", err
	}
	defer d.end()
	path, err := d.bins.path(ctx, d.platform)
	if err != nil {
		return "", err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cluster: node binary: %w", err)
	}
	sum := sha256.Sum256(binary)
	digest := hex.EncodeToString(sum[:6])
	tag := d.base.me.tag(digest)
	// Not with ctx: a request that is broken off could leave an image behind
	// after Close has looked for it.
	ctx = context.WithoutCancel(ctx)
	if d.adopt(ctx, digest, tag) {
		d.base.opt.Log.Debug("node image shared", "tag", tag)
	} else if err := d.build(ctx, tag, binary); err != nil {
		return "", fmt.Errorf("cluster: node image: %w", err)
	}
	d.image = tag
	return tag, nil
}

// KeepImage builds the node's image with Docker and gives it a tag that stays
// when the runtime is closed, such as "ccde-mockehr:dev".
func KeepImage(ctx context.Context, rt Runtime, tag string) error {
	d, ok := rt.(*docker)
	if !ok {
		return fmt.Errorf("cluster: an image needs Docker; runtime %s has none", rt.Name())
	}
	built, err := d.nodeImage(ctx)
	if err != nil {
		return err
	}
	if _, err := d.engine.ImageTag(ctx, client.ImageTagOptions{Source: built, Target: tag}); err != nil {
		return fmt.Errorf("cluster: image tag %q: %w", tag, err)
	}
	return nil
}

// adopt gives another run's image of the same binary our tag too.
func (d *docker) adopt(ctx context.Context, digest, tag string) bool {
	list, err := d.engine.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", imageName)})
	if err != nil {
		return false
	}
	for _, image := range list.Items {
		for _, other := range image.RepoTags {
			if _, theirs, ok := ownerOfTag(other); ok && theirs == digest {
				// It may be gone by now, if that run has ended: then we build.
				if _, err := d.engine.ImageTag(ctx, client.ImageTagOptions{Source: other, Target: tag}); err == nil {
					return true
				}
			}
		}
	}
	return false
}

func (d *docker) build(ctx context.Context, tag string, binary []byte) error {
	var labels []string
	for k, v := range d.base.me.labels() {
		labels = append(labels, fmt.Sprintf("%s=%q", k, v))
	}
	archive, err := buildContext(fmt.Sprintf(dockerfile, strings.Join(labels, " ")), binary)
	if err != nil {
		return err
	}
	result, err := d.engine.ImageBuild(ctx, archive, client.ImageBuildOptions{
		Tags: []string{tag}, Remove: true, ForceRemove: true,
		// The classic builder needs no session and no registry.
		Version: build.BuilderV1,
	})
	if err != nil {
		return err
	}
	defer result.Body.Close()
	var output bytes.Buffer
	if err := jsonmessage.DisplayStream(result.Body, &output); err != nil {
		return fmt.Errorf("%w\n%s", err, output.String())
	}
	return nil
}

// buildContext is the tar archive that an image is built from.
func buildContext(dockerfile string, binary []byte) (io.Reader, error) {
	var archive bytes.Buffer
	archive.Grow(len(binary) + 8<<10)
	w := tar.NewWriter(&archive)
	epoch := time.Unix(0, 0) // the same binary gives the same layer
	var errs []error
	for _, f := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"Dockerfile", 0o644, []byte(dockerfile)},
		{"root/", 0o755, nil},
		{"root" + containerData + "/", 0o700, nil},
		{"root/tmp/", 0o700, nil},
		{"root/mockehr", 0o755, binary},
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: epoch, Typeflag: tar.TypeReg, Uid: nodeUser, Gid: nodeUser}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		errs = append(errs, w.WriteHeader(h))
		_, err := w.Write(f.data)
		errs = append(errs, err)
	}
	return &archive, errors.Join(append(errs, w.Close())...)
}
