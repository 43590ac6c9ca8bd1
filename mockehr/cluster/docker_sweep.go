package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// sweep removes containers, networks and images: of this run (own), or of
// runs of this machine whose process is dead. A living run's are never
// touched.
func (d *docker) sweep(ctx context.Context, own bool) error {
	condemned := func(o owner, ok bool) bool {
		if own {
			return ok && o.Run == d.base.me.Run
		}
		return ok && o.dead(d.base.me, processStart)
	}
	err := errors.Join(d.sweepContainers(ctx, condemned), d.sweepNetworks(ctx, condemned), d.sweepImages(ctx, condemned))
	if err != nil {
		err = fmt.Errorf("cluster: clean-up: %w", err)
		d.base.opt.Log.Warn("docker clean-up", "error", err.Error())
	}
	return err
}

func ours() client.Filters { return make(client.Filters).Add("label", labelRun) }

func (d *docker) sweepContainers(ctx context.Context, condemned func(owner, bool) bool) error {
	list, err := d.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours()})
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(8)
	for _, c := range list.Items {
		if condemned(ownerOf(c.Labels)) {
			g.Go(func() error { return d.removeContainer(ctx, c.ID) })
		}
	}
	return g.Wait()
}

func (d *docker) removeContainer(ctx context.Context, id string) error {
	_, err := d.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if !errdefs.IsConflict(err) {
		return err
	}
	// Somebody else is removing it: done when it is gone.
	return d.until(ctx, func() (bool, error) {
		_, err := d.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		return errdefs.IsNotFound(err), nil
	})
}

func (d *docker) sweepNetworks(ctx context.Context, condemned func(owner, bool) bool) error {
	list, err := d.engine.NetworkList(ctx, client.NetworkListOptions{Filters: ours()})
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range list.Items {
		if condemned(ownerOf(n.Labels)) {
			errs = append(errs, d.removeNetwork(ctx, n.ID))
		}
	}
	return errors.Join(errs...)
}

// removeNetwork waits a little where a container that was just removed still
// counts as an endpoint.
func (d *docker) removeNetwork(ctx context.Context, id string) error {
	return d.until(ctx, func() (bool, error) {
		_, err := d.engine.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		if err == nil || errdefs.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// sweepImages takes away the tags of condemned owners; the engine drops an
// image with its last tag. Images of a build that was broken off have none.
func (d *docker) sweepImages(ctx context.Context, condemned func(owner, bool) bool) error {
	tagged, err := d.engine.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", imageName)})
	if err != nil {
		return err
	}
	var errs []error
	for _, image := range tagged.Items {
		for _, tag := range image.RepoTags {
			if o, _, ok := ownerOfTag(tag); condemned(o, ok) {
				errs = append(errs, d.removeImage(ctx, tag))
			}
		}
	}
	dangling, err := d.engine.ImageList(ctx, client.ImageListOptions{Filters: ours().Add("dangling", "true")})
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, image := range dangling.Items {
		if condemned(ownerOf(image.Labels)) {
			errs = append(errs, d.removeImage(ctx, image.ID))
		}
	}
	return errors.Join(errs...)
}

// removeImage never forces: a conflict means that a container still runs from it.
func (d *docker) removeImage(ctx context.Context, ref string) error {
	_, err := d.engine.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// until calls f until it is done, for five seconds at most.
func (d *docker) until(ctx context.Context, f func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		done, err := f()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
