package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"freehold.example/core/peer"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// maxVia is how many of the servers that another one names are passed on.
const maxVia = 50

// ResolveRemote asks another server what one of its aliases stands for, and through which servers one gets there. Errors:
// M_NOT_FOUND, or that the server cannot be reached
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1querydirectory).
func (d *Directory) ResolveRemote(ctx context.Context, a id.Alias) (in id.Room, via []id.Server, err error) {
	if d.Peers == nil {
		return "", nil, errNoAlias
	}
	var found csapi.AliasResponse
	err = d.Peers.Ask(ctx, peer.Question{
		Server: a.Server(), Method: http.MethodGet,
		Path: "/_matrix/federation/v1/query/directory?" + url.Values{"room_alias": {string(a)}}.Encode(), Now: true, Brief: true,
	}, &found)
	if err != nil {
		return "", nil, peer.Said(err)
	}
	if found.Room == "" {
		return "", nil, errNoAlias
	}
	slices.Sort(found.Servers)
	via = slices.Compact(found.Servers)
	return found.Room, via[:min(len(via), maxVia)], nil
}

// searchRemote asks another server for a page of its directory
// (https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1publicrooms). What is no room is left out of it.
func (d *Directory) searchRemote(ctx context.Context, q *Query) (*csapi.PublicRoomsResponse, error) {
	if d.Peers == nil {
		return nil, fault.New(fault.NotFound, "This server does not talk to others")
	}
	var page struct {
		Chunk     []json.RawMessage `json:"chunk"`
		NextBatch string            `json:"next_batch"`
		PrevBatch string            `json:"prev_batch"`
		Total     int               `json:"total_room_count_estimate"`
	}
	err := d.Peers.Ask(ctx, peer.Question{
		Server: q.Server, Method: http.MethodPost, Path: "/_matrix/federation/v1/publicRooms", Now: true, Brief: true,
		Content: csapi.SearchRoomsRequest{Limit: min(cmp.Or(max(q.Limit, 0), defaultPage), maxPage), Since: q.Since, Filter: q.Filter, Network: q.Instance, AllNetworks: q.AllNetworks},
	}, &page)
	if err != nil {
		return nil, peer.Said(err)
	}
	out := &csapi.PublicRoomsResponse{Chunk: []csapi.PublicRoom{}, NextBatch: page.NextBatch, PrevBatch: page.PrevBatch, Total: page.Total}
	for _, raw := range page.Chunk[:min(len(page.Chunk), maxPage)] {
		var p csapi.PublicRoom
		if json.Unmarshal(raw, &p) == nil && p.Room != "" {
			out.Chunk = append(out.Chunk, p)
		}
	}
	return out, nil
}
