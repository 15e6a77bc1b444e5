package daemon

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/stackfile"
)

// stackFile is the project file of a working tree.
const stackFile = "diploi.yaml"

func codeVolume() berth.Volume { return berth.Volume{Identifier: berth.CodeVolume} }

// savedFile reads the project file of a working tree.
func (d *Daemon) savedFile(_ context.Context, deployment berth.ID) ([]byte, error) {
	return d.volumes.ReadFile(deployment, codeVolume(), stackFile, stackfile.MaxBytes)
}

// stackStamp differs whenever the project file of a working tree was written.
func (d *Daemon) stackStamp(deployment berth.ID) (string, error) {
	return d.volumes.Stamp(deployment, codeVolume(), stackFile)
}

// developing lists the development deployments that are to run.
func (d *Daemon) developing(ctx context.Context) (ids []berth.ID, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, one := range all {
			if inDevelopment(one) {
				ids = append(ids, one.ID)
			}
		}
		return err
	})
	return ids, err
}

// develops reports whether a deployment is one of those.
func (d *Daemon) develops(ctx context.Context, id berth.ID) (yes bool, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		one, err := tx.DeploymentByID(berth.Everything(), id)
		yes = err == nil && inDevelopment(one)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		err = nil
	}
	return yes, err
}

func inDevelopment(d berth.Deployment) bool {
	return d.Kind == berth.KindDevelopment && d.Desire == berth.DesireRun
}
