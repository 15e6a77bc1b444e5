package chart

import (
	"strconv"
	"text/template/parse"
)

// instrument puts the budget into the parsed templates: each template counts when it begins and
// ends, each loop counts its turns, and each printed value is measured before it is formatted.
func (e *execution) instrument() {
	if e.seen == nil {
		e.seen = map[*parse.Tree]bool{}
	}
	for _, t := range e.root.Templates() {
		if t.Tree == nil || t.Root == nil || e.seen[t.Tree] {
			continue
		}
		e.seen[t.Tree] = true
		cost := guardList(t.Root)
		t.Root.Nodes = append([]parse.Node{guard("berthEnter", cost)}, t.Root.Nodes...)
		t.Root.Nodes = append(t.Root.Nodes, guard("berthLeave", 0))
	}
}

// guardList instruments a list and returns how many nodes it has, which is what one pass over it costs.
func guardList(list *parse.ListNode) int {
	if list == nil {
		return 0
	}
	cost := len(list.Nodes)
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			cost += guardAction(n)
		case *parse.IfNode:
			cost += guardBranch(&n.BranchNode)
		case *parse.WithNode:
			cost += guardBranch(&n.BranchNode)
		case *parse.RangeNode:
			cost += guardLoop(n)
		case *parse.TemplateNode:
			cost += pipeCost(n.Pipe)
		}
	}
	return cost
}

// guardAction measures what an action prints; one that only declares or assigns prints nothing.
func guardAction(n *parse.ActionNode) int {
	if len(n.Pipe.Decl) == 0 {
		n.Pipe.Cmds = append(n.Pipe.Cmds, guard("berthShow", -1).Pipe.Cmds...)
	}
	return pipeCost(n.Pipe)
}

func guardBranch(b *parse.BranchNode) int {
	return pipeCost(b.Pipe) + guardList(b.List) + guardList(b.ElseList)
}

func guardLoop(n *parse.RangeNode) int {
	turn := guardList(n.List)
	n.List.Nodes = append([]parse.Node{guard("berthTurn", turn)}, n.List.Nodes...)
	return pipeCost(n.Pipe) + turn + guardList(n.ElseList)
}

// pipeCost counts the arguments of a pipeline, nested ones included.
func pipeCost(p *parse.PipeNode) int {
	if p == nil {
		return 0
	}
	cost := 0
	for _, c := range p.Cmds {
		cost += len(c.Args)
		for _, a := range c.Args {
			if nested, ok := a.(*parse.PipeNode); ok {
				cost += pipeCost(nested)
			}
		}
	}
	return cost
}

// guard builds the node for {{ name cost }}, without an argument for a negative cost.
func guard(name string, cost int) *parse.ActionNode {
	action := "{{" + name + "}}"
	if cost >= 0 {
		action = "{{" + name + " " + strconv.Itoa(cost) + "}}"
	}
	tree := parse.New("guard")
	tree.Mode = parse.SkipFuncCheck
	parsed, err := tree.Parse(action, "", "", map[string]*parse.Tree{})
	if err != nil {
		panic("chart: " + action + " does not parse: " + err.Error())
	}
	return parsed.Root.Nodes[0].(*parse.ActionNode)
}
