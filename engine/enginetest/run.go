package enginetest

import "testing"

// Run checks every promise of engine.Engine, and of the optional abilities that the engine has.
func Run(t *testing.T, f Factory) {
	for _, test := range []struct {
		promise string
		check   func(*testing.T, Factory)
	}{
		// Starting.
		{"a workload starts, gets ready and settles", startsAndSettles},
		{"an instance is not ready before it listens", notReadyBeforeItListens},
		{"an instance without port and probe is ready once it has run steadily", steadyWithoutPort},
		{"a health command decides about readiness", healthCommand},
		{"a health port decides about readiness", healthPort},
		{"a readiness probe decides about readiness", readinessProbe},
		{"listening on another port than declared is said in words", wrongPort},
		{"components start once add-ons are ready", addonsFirst},
		{"what is held starts once it is let go, and nothing else waits for it", heldUntilLetGo},
		{"init containers run first, and their failure has a name", initContainers},
		{"a job runs once", jobRunsOnce},
		{"replicas have slots of their own", replicasHaveSlots},
		{"a missing image is named", missingImage},
		{"an object that cannot be honoured is named", unsupportedObject},
		{"environment comes from values, config maps and secrets", environment},
		{"secret tokens are replaced inside only", secretTokens},

		// Going on.
		{"Sync again changes nothing", syncIsIdempotent},
		{"a new engine on the same machine adopts what runs", adoptsWhatRuns},
		{"what exits is replaced in its slot, with growing backoff and the run counted", replacedWithBackoff},
		{"what is killed from outside is replaced", replacedWhenKilled},
		{"a pod is over when any of its containers ends", podEndsWithAnyContainer},
		{"a change elsewhere keeps an instance running", unchangedElementKeepsRunning},

		// Replacing.
		{"an overlapping instance runs on until its successor is ready and it is drained", overlapKeepsOldUntilDrained},
		{"a release that never gets ready leaves the old instance alone", unreadyReleaseLeavesOldAlone},
		{"a Deployment with strategy Recreate never overlaps", recreateNeverOverlaps},
		{"a StatefulSet never overlaps", statefulSetNeverOverlaps},
		{"development never overlaps", developmentNeverOverlaps},
		{"a restart that a person asked for replaces the instance", restartReplaces},
		{"an element that vanished ends", vanishedElementEnds},

		// Ending.
		{"Stopped ends all instances and keeps the deployment", stoppedKeepsDeployment},
		{"a halted element runs nothing, says why, and leaves others alone", haltedElementRunsNothing},
		{"Halt ends an instance, which says why and is replaced", haltEndsAnInstance},
		{"Remove is complete, says so, and may be repeated", removeIsComplete},
		{"what belongs to others is left alone", foreignThingsAreLeftAlone},
		{"deployments do not touch each other", deploymentsAreApart},

		// Hints and abilities.
		{"Watch hints at an exit and ends with its context", watchHints},
		{"Dial reaches a port", dialReachesPort},
		{"Dial reaches a loopback-bound server in development", dialReachesLoopback},
		{"Exec returns exit code and output, and delivers input", execKeepsItsPromises},
		{"Run runs a task to its end", runsTasks},
		{"a task that is offline runs without the deployment's network", offlineTask},
		{"a cancelled task ends", cancelledTaskEnds},
		{"LogFiles say where containers log to", logFiles},
	} {
		t.Run(test.promise, func(t *testing.T) { test.check(t, f) })
	}
}
