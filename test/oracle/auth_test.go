package oracle

type authCase struct{}
type stateCase struct{}
