package csapi

// MediaConfigRequest is GET /media/config.
type MediaConfigRequest struct{}

// MediaConfig is what clients should know before they upload.
type MediaConfig struct {
	UploadSize int64 `json:"m.upload.size"` // bytes of the largest file
}

// CreateMediaRequest is POST /media/v1/create.
type CreateMediaRequest struct{}

// CreateMediaResponse is an mxc URI whose content comes later.
type CreateMediaResponse struct {
	ContentURI      string `json:"content_uri"`
	UnusedExpiresAt int64  `json:"unused_expires_at"` // milliseconds since 1970
}

// UploadResponse is where an upload can be found.
type UploadResponse struct {
	ContentURI string `json:"content_uri"`
}

// PreviewRequest is GET /media/preview_url. The moment that "ts" asks for is not heeded: the page of now is shown.
type PreviewRequest struct {
	URL string `query:"url,required"`
}

// Preview is what a page is about, in properties of OpenGraph.
type Preview map[string]any
