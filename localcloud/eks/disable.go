package eks

import "context"

// endAutoMode takes away what Auto Mode ran while it is being switched off:
// controllers, instances, and the objects that stand for them. Volumes stay.
func (w *work) endAutoMode(ctx context.Context) error {
	if !autoModeOn(&w.r.Cluster) || autoModeOn(w.r.wanted()) {
		return nil
	}
	for _, do := range []func(context.Context) error{w.stopControllers, w.removeCompute} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	client, err := w.s.connect(w.info.Admin)
	if err != nil {
		return err
	}
	return client.RemoveAutoMode(ctx)
}
