package csapi

// PingServiceRequest is POST /appservice/{appserviceId}/ping.
type PingServiceRequest struct {
	Service string `path:"serviceID" json:"-"`
	Txn     string `json:"transaction_id"`
}

// PingServiceResponse is how long the service took to answer.
type PingServiceResponse struct {
	DurationMS int64 `json:"duration_ms"`
}
