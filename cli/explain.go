package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/plan"
)

// explained are the kinds that explain knows, with other names for them.
var explained = map[string]string{
	"pod": "Pod", "pods": "Pod", "po": "Pod", "node": "Node", "nodes": "Node", "no": "Node",
	"nodeclaim": "NodeClaim", "nodeclaims": "NodeClaim", "nodepool": "NodePool", "nodepools": "NodePool",
}

func (a *app) explainCommand() *cobra.Command {
	var out format
	var kubeContext, namespace string
	cmd := &cobra.Command{
		Use:   "explain pod|node|nodeclaim|nodepool NAME",
		Short: "Say why a pod waits, why a node is here or cannot be removed, and the nearest fix",
		Long: `Asks the engine, with the live cluster of the current kubectl context, why something is as it is: for a waiting pod what each NodePool lacks, for
a node which pods it is here for and what keeps it, for a NodePool whether it can make nodes. Changes nothing.`,
		Example: `  automode explain pod web-5d4f8 -n shop
  automode explain node i-0123456789abcdef0
  automode explain nodepool general-purpose -o json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, ok := explained[strings.ToLower(args[0])]
			if !ok {
				return fail(Usage, "explain knows pod, node, nodeclaim and nodepool, not %q", args[0])
			}
			e, err := explain(cmd.Context(), kubeContext, kind, types.NamespacedName{Namespace: namespace, Name: args[1]})
			if err != nil {
				return err
			}
			if out == "json" || out == "yaml" {
				return out.print(a.Out, table{doc: e})
			}
			a.printExplanation(e)
			return nil
		},
	}
	cmd.Flags().StringVar(&kubeContext, "context", "-", "kubectl context; - for the current one")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", corev1.NamespaceDefault, "namespace of the pod")
	out.addFlag(cmd)
	return cmd
}

func explain(ctx context.Context, kubeContext, kind string, name types.NamespacedName) (*plan.Explanation, error) {
	kube, err := kubeClient(kubeContext)
	if err != nil {
		return nil, err
	}
	scenario := &plan.Scenario{Catalog: catalog.Default(), Region: defaultConfig().Region}
	if err := onCluster(ctx, kube, scenario, true); err != nil {
		return nil, err
	}
	var e *plan.Explanation
	switch kind {
	case "Pod":
		e, err = scenario.ExplainPod(name)
	case "NodePool":
		e, err = scenario.ExplainPool(name.Name)
	default:
		e, err = scenario.ExplainNode(kind, name.Name)
	}
	var unknown *plan.ErrNotFound
	if errors.As(err, &unknown) {
		return nil, &Failure{ID: NotFound, Advice: "`kubectl get " + unknown.Kind + "s` lists what there is", Err: err}
	}
	if err != nil {
		return nil, err
	}
	e.Tell(eventsOf(ctx, kube, e))
	return e, nil
}

// eventsOf reads what was said about the object, newest first; nothing where that cannot be read.
func eventsOf(ctx context.Context, kube client.Client, e *plan.Explanation) []corev1.Event {
	list := &corev1.EventList{}
	if err := kube.List(ctx, list, client.MatchingFields{"involvedObject.kind": e.Kind, "involvedObject.name": e.Name}); err != nil {
		return nil
	}
	events := slices.DeleteFunc(list.Items, func(ev corev1.Event) bool { return e.Namespace != "" && ev.InvolvedObject.Namespace != e.Namespace })
	slices.SortFunc(events, func(x, y corev1.Event) int { return plan.EventTime(&y).Compare(plan.EventTime(&x)) })
	return events
}

func (a *app) printExplanation(e *plan.Explanation) {
	name := e.Name
	if e.Namespace != "" {
		name = e.Namespace + "/" + e.Name
	}
	fmt.Fprintf(a.Out, "%s %s %s.\n", e.Kind, name, e.Summary)
	for _, reason := range e.Reasons {
		fmt.Fprintf(a.Out, "  %s\n", reason)
	}
	if e.Fix != "" {
		fmt.Fprintf(a.Out, "Nearest fix: %s.\n", e.Fix)
	}
}
