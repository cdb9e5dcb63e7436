#!/bin/sh
# Makes the namespace where it is absent; run by the admin-tools image once the server answers.
# Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_RETENTION. The orchestration worker registers the search attributes.
set -eu

if ! temporal operator namespace describe >/dev/null 2>&1; then
  temporal operator namespace create --retention "$TEMPORAL_RETENTION"
fi
