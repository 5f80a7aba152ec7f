package feed

// TakeTurns has everybody who has just come wait, until leave.
func (f *Feed) TakeTurns() (leave func()) {
	for range cap(f.admission.turns) {
		f.admission.turns <- struct{}{}
	}
	return func() {
		for range cap(f.admission.turns) {
			<-f.admission.turns
		}
	}
}
