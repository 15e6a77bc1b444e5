package chart

import (
	"slices"
	"strconv"

	"github.com/berth-dev/berth"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// revisionVariable tells a pre-deploy command the number of its release. It also makes the Job of every
// release another one, so that each runs.
const revisionVariable = "BERTH_RELEASE"

// preDeploy adds the Job of berth.preDeploy: the first container of the package's first workload, with its
// image, environment and volumes, running the project's command.
func (r *rendering) preDeploy() error {
	if len(r.in.PreDeploy) == 0 {
		return nil
	}
	for _, o := range r.out.Objects {
		if IsPreDeploy(o) {
			return berth.Errorf(berth.EInvalid, "%s: a package may not have an object of that name", label(o))
		}
	}
	at := slices.IndexFunc(r.out.Objects, isLongRunning)
	if at < 0 {
		return berth.Errorf(berth.EUnsupported, "berth.preDeploy: the package has neither a Deployment nor a StatefulSet whose image could run it")
	}
	template, _ := podOf(r.out.Objects[at])
	r.out.Objects = append(r.out.Objects, preDeployJob(*template.Spec.DeepCopy(), r.in.PreDeploy, r.in.Revision))
	return nil
}

// preDeployJob turns a workload's pod into the Job's. Its labels are dropped: no Service leads to it.
func preDeployJob(pod corev1.PodSpec, command []string, revision int) *batchv1.Job {
	main := pod.Containers[0]
	main.Command, main.Args = command, nil
	main.Ports, main.Lifecycle = nil, nil
	main.ReadinessProbe, main.LivenessProbe, main.StartupProbe = nil, nil, nil
	main.Env = append(main.Env, corev1.EnvVar{Name: revisionVariable, Value: strconv.Itoa(revision)})
	pod.Containers = []corev1.Container{main}
	pod.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		TypeMeta:   v1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: v1.ObjectMeta{Name: berth.PreDeploy},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod}},
	}
}

// IsPreDeploy reports whether an object is the Job of berth.preDeploy.
func IsPreDeploy(o runtime.Object) bool {
	job, ok := o.(*batchv1.Job)
	return ok && job.Name == berth.PreDeploy
}

// WithoutPreDeploy drops the Job of berth.preDeploy.
func WithoutPreDeploy(objects []runtime.Object) []runtime.Object {
	return slices.DeleteFunc(objects, IsPreDeploy)
}

// mountable returns the pod that gets a project's own volumes, nil of what gets none.
func mountable(o runtime.Object) *corev1.PodSpec {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return &w.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &w.Spec.Template.Spec
	case *batchv1.Job:
		if IsPreDeploy(w) {
			return &w.Spec.Template.Spec
		}
	}
	return nil
}
