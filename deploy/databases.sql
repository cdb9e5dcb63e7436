-- Roles and databases of the production shape: Temporal's and Escapement's apart, neither can read the other's.
-- `escapement` owns its database and migrates; `escapement_runs` is the one that works, with rights on rows alone.
-- Run by psql as the server's administrator, with the passwords in the environment. Safe to run again: it makes what
-- is absent and sets the passwords as they are given now.
\set ON_ERROR_STOP on
\getenv temporal_password TEMPORAL_DATABASE_PASSWORD
\getenv escapement_password ESCAPEMENT_DATABASE_PASSWORD
\getenv escapement_runs_password ESCAPEMENT_RUNNING_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('temporal'), ('escapement'), ('escapement_runs')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name)
\gexec

ALTER ROLE temporal PASSWORD :'temporal_password';
ALTER ROLE escapement PASSWORD :'escapement_password';
ALTER ROLE escapement_runs PASSWORD :'escapement_runs_password';

SELECT format('CREATE DATABASE %I OWNER %I', wanted.name, wanted.owner)
FROM (VALUES ('temporal', 'temporal'), ('temporal_visibility', 'temporal'), ('escapement', 'escapement')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted.name)
\gexec

REVOKE CONNECT, TEMPORARY ON DATABASE temporal, temporal_visibility, escapement FROM PUBLIC;
GRANT CONNECT ON DATABASE escapement TO escapement_runs;
