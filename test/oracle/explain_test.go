package oracle

import "slices"

// explanations are all that is known of how the others differ.
var explanations = slices.Concat(ofKind("event", eventExplanations), ofKind("auth", authExplanations),
	ofKind("state", stateExplanations))

func ofKind(kind string, list []explanation) []explanation {
	for i := range list {
		list[i].kind = kind
	}
	return list
}
