package daemon

import (
	"context"

	"github.com/berth-dev/berth"
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
func (d *Daemon) developing(ctx context.Context) ([]berth.ID, error) {
	return d.those(ctx, inDevelopment)
}

// develops reports whether a deployment is one of those.
func (d *Daemon) develops(ctx context.Context, id berth.ID) (bool, error) {
	_, yes, err := d.oneOf(ctx, id, inDevelopment)
	return yes, err
}

func inDevelopment(d berth.Deployment) bool {
	return d.Kind == berth.KindDevelopment && d.Desire == berth.DesireRun
}
