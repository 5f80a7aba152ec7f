#!/usr/bin/env bash
# Starts Synapse as README.md says a launcher does.
set -euo pipefail
venv=${SYNAPSE_VENV:-$(cd "$(dirname "$0")/../.." && pwd)/.tools/synapse}

umask 077
mkdir -p "$INTEROP_DATA"
cd "$INTEROP_DATA"
[ -e signing.key ] || echo "ed25519 a_interop $(head -c 32 /dev/urandom | base64 | tr -d =)" >signing.key

cat >log.yaml <<END
version: 1
disable_existing_loggers: false
formatters: {plain: {format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s'}}
filters: {context: {(): synapse.logging.context.LoggingContextFilter, request: ''}}
handlers: {out: {class: logging.StreamHandler, formatter: plain, filters: [context]}}
root: {level: ${SYNAPSE_LOG_LEVEL:-INFO}, handlers: [out]}
END

cat >homeserver.yaml <<END
server_name: "$INTEROP_NAME"
public_baseurl: "http://$INTEROP_CLIENT/"
listeners:
  - {port: ${INTEROP_CLIENT##*:}, bind_addresses: [${INTEROP_CLIENT%:*}], type: http, resources: [{names: [client]}]}
  - {port: ${INTEROP_FEDERATION##*:}, bind_addresses: [${INTEROP_FEDERATION%:*}], type: http, tls: true, resources: [{names: [federation]}]}
tls_certificate_path: "$INTEROP_CERT"
tls_private_key_path: "$INTEROP_KEY"
federation_custom_ca_list: ["$INTEROP_CA"]
ip_range_blacklist: []
federation_ip_range_blacklist: []
trusted_key_servers: []

database: {name: sqlite3, args: {database: homeserver.db}}
media_store_path: media
log_config: log.yaml
signing_key_path: signing.key
pid_file: pid
registration_shared_secret: "$INTEROP_SECRET"
macaroon_secret_key: "$INTEROP_SECRET of tokens"
form_secret: "$INTEROP_SECRET of forms"
bcrypt_rounds: 4
report_stats: false

presence: {enabled: true}
allow_public_rooms_over_federation: true
room_list_publication_rules: [{action: allow}]

# No limits: the stories are told in a hurry.
rc_message: &none {per_second: 10000, burst_count: 10000}
rc_registration: *none
rc_admin_redaction: *none
rc_joins: {local: *none, remote: *none}
rc_joins_per_room: *none
rc_invites: {per_room: *none, per_user: *none, per_issuer: *none}
rc_media_create: *none
rc_presence: {per_user: *none}
rc_room_creation: *none
rc_federation: {window_size: 1000, sleep_limit: 10000, sleep_delay: 1, reject_limit: 10000, concurrent: 100}
federation_rr_transactions_per_room_per_second: 10000
remote_media_download_per_second: 1G
remote_media_download_burst_count: 1G
END

exec "$venv/bin/python" -m synapse.app.homeserver -c homeserver.yaml
