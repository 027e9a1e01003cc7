// Package suite compiles the Gateway API's own conformance suite, as it is, into a test binary that runs without Go.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) { conformance.RunConformance(t) }
